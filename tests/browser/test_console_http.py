"""The console without a browser: who gets in, what leaks, what errors say."""

from __future__ import annotations

import html
import http.client
import json
import logging
import re
import urllib.parse
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from tests.support.drawn import Drawn
from tests.support.postgres import StoreFactory
from tests.support.site import TOKEN, ShiftedClock, Site, serving

from chartloom.normalize import load_mapping
from chartloom.serve.elements import resolve, stamp_at
from chartloom.serve.shield import HEADERS, OPEN_FOLDERS, OPEN_PATHS
from chartloom.wiring.logs import JsonFormatter

SAMPLES = {"position": "1", "element:path": "status", "print": "x", "name": "x"}


class Client:
    """A small HTTP client that keeps cookies and never follows a redirect."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.cookie = ""

    def ask(
        self,
        path: str,
        method: str = "GET",
        form: dict[str, object] | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        body = None
        if form is not None:
            body = urlencode(form, doseq=True)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        received = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        self._keep([v for name, v in answer.getheaders() if name.lower() == "set-cookie"])
        return answer.status, received, text

    def _keep(self, headers: list[str]) -> None:
        kept = dict(c.split("=", 1) for c in self.cookie.split("; ") if c)
        for header in headers:
            name, _, value = header.partition(";")[0].partition("=")
            kept[name] = value
            if "max-age=0" in header.lower():
                del kept[name]
        self.cookie = "; ".join(f"{name}={value}" for name, value in kept.items())

    def csrf(self, path: str = "/chart") -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask(path)[2])
        assert found is not None
        return found[1]


@pytest.fixture
def stranger(address: str) -> Client:
    return Client(address)


@pytest.fixture
def client(address: str, site: Site) -> Client:
    signed_in = Client(address)
    signed_in.cookie = site.sign_in()
    return signed_in


def every_path(site: Site) -> list[tuple[str, str]]:
    """(method, path) of every route, with sample values."""
    found = []
    for route in site.app().routes:
        path = re.sub(r"{([^}]+)}", lambda m: SAMPLES.get(m[1], "x"), route.path)
        found += [(method, path) for method in sorted(route.methods - {"HEAD"})]
    return found


def test_without_a_session_there_is_nothing_to_see(stranger: Client, site: Site) -> None:
    closed = 0
    for method, path in every_path(site):
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            continue
        status, headers, text = stranger.ask(path, method)
        assert status == 401, (method, path)
        assert "set-cookie" not in headers
        assert "MSH|" not in text
        closed += 1
    assert closed >= 18


def test_every_answer_carries_the_security_headers(client: Client, site: Site) -> None:
    paths = ["/feeds", "/nowhere", "/enter?token=bad", "/healthz", "/messages/999999999"]
    for path in paths:
        _, headers, _ = client.ask(path)
        for name, value in HEADERS.items():
            assert headers[name] == value, path
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_pages_hold_no_inline_script_or_style(client: Client, site: Site) -> None:
    person = recent_person(client)
    for path in ("/feeds", "/messages", "/messages/1", "/quarantine", f"/chart/{person}"):
        text = client.ask(path)[2]
        assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]+src=)", text), path


def recent_person(client: Client) -> str:
    found = re.search(r'class="row-link" href="/chart/([^"]+)"', client.ask("/chart")[2])
    assert found is not None
    return found[1]


def test_the_cookie_is_kept_from_scripts_and_other_sites(stranger: Client, site: Site) -> None:
    _, headers, _ = stranger.ask(site.sign_in_path())
    cookie = headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/", "max-age="):
        assert attribute in cookie


def test_a_link_signs_in_once(address: str, site: Site) -> None:
    link = site.sign_in_path()
    assert Client(address).ask(link)[0] == 200
    status, headers, text = Client(address).ask(link)
    assert status == 403
    assert "set-cookie" not in headers
    assert "used already" in text


def test_signing_out_ends_it(client: Client) -> None:
    status, headers, _ = client.ask("/sign-out", "POST", {"csrf": client.csrf()})
    assert status == 303
    assert 'chartloom_session=""' in headers["set-cookie"]
    assert client.ask("/feeds")[0] == 401


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.org", "127.0.0.1.nip.io", ""])
def test_other_host_names_are_refused(client: Client, host: str) -> None:
    status, _, text = client.ask("/feeds", Host=host)
    assert status == 400
    assert "Feeds" not in re.sub(r"<nav.*?</nav>", "", text, flags=re.DOTALL)


def test_a_form_needs_its_token_and_its_origin(client: Client) -> None:
    good = {"value": "x", "csrf": client.csrf()}
    assert client.ask("/chart/find", "POST", {"value": "x"})[0] == 403
    assert client.ask("/chart/find", "POST", {**good, "csrf": "x" * 43})[0] == 403
    assert client.ask("/chart/find", "POST", good, Origin="https://evil.example.org")[0] == 403
    assert client.ask("/chart/find", "POST", good, Origin="null")[0] == 403
    assert client.ask("/chart/find", "POST", good, Sec_Fetch_Site="cross-site")[0] == 403
    assert client.ask("/chart/find", "POST", good)[0] == 303


def test_a_form_has_a_limit(client: Client) -> None:
    huge = {"value": "x" * 70_000, "csrf": client.csrf()}
    assert client.ask("/chart/find", "POST", huge)[0] == 413


def test_methods_that_no_page_has_are_refused(client: Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.ask("/feeds", method)[0] == 405


def test_searching_leaves_no_name_in_an_address_or_a_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path, field in (("/chart/find", "value"), ("/messages", "patient")):
        form = {field: "Zzyzx-Müller", "csrf": client.csrf()}
        status, headers, _ = client.ask(path, "POST", form)
        assert status == 303
        assert "zzyzx" not in headers["location"].lower()
        status, _, text = client.ask(headers["location"])
        assert status == 200
        assert "Zzyzx-Müller" in text  # the form still says what was looked for
        assert "Nobody" in text
    assert "zzyzx" not in caplog.text.lower()


def test_a_person_is_found_by_identifier(client: Client) -> None:
    text = client.ask("/chart")[2]
    person = recent_person(client)
    row = text[text.index(person) :]
    identifier = re.search(r"<code>([^<]+)</code>", row)
    assert identifier is not None
    form = {"value": identifier[1], "field": "identifier", "csrf": client.csrf()}
    status, headers, _ = client.ask("/chart/find", "POST", form)
    assert (status, headers["location"]) == (303, f"/chart/{person}")


def test_ids_that_are_not_there_and_odd_parameters(client: Client) -> None:
    assert client.ask("/messages/999999999")[0] == 404
    for digits in ("9" * 19, "9" * 26, "1" * 5000, "-1", "1.5", "x", "%D9%A1"):
        assert client.ask(f"/messages/{digits}")[0] == 404
        assert client.ask(f"/messages/{digits}/raw")[0] == 404
        assert client.ask(f"/api/messages/{digits}")[0] == 404
    assert client.ask("/chart/no-such-person")[0] == 404
    assert client.ask("/evidence/no-such-resource/status")[0] == 404
    assert client.ask("/resources/%00")[0] == 404
    assert client.ask("/messages?before=-5&state=%27&from=yesterday&find=abc")[0] == 200
    assert client.ask("/messages?type=%00")[0] == 404
    form = {"value": "a\0b", "csrf": client.csrf()}
    assert client.ask(client.ask("/chart/find", "POST", form)[1]["location"])[0] == 200
    assert client.ask("/messages?person=nobody")[0] == 404
    person = recent_person(client)
    assert client.ask(f"/chart/{person}/nonsense")[0] == 404
    for before in ("x", "5", "5~", f"{'1' * 5000}~x", "-1~" + "x" * 65):
        assert client.ask(f"/chart/{person}/timeline?before={before}&section=x")[0] == 200


def test_the_api_gives_the_same_facts(client: Client, address: str, site: Site) -> None:
    script = Client(address)
    assert script.ask("/api/feeds")[0] == 401
    assert script.ask("/api/feeds", Authorization=f"Bearer {TOKEN}")[0] == 401
    status, headers, text = client.ask("/api/feeds")
    assert (status, headers["content-type"]) == (200, "application/json")
    feeds = {f["feed"]: f for f in json.loads(text)}
    assert set(feeds) == {f.name for f in site.feeds}
    page = json.loads(client.ask("/api/messages")[2])
    assert len(page["messages"]) == 50
    older = json.loads(client.ask(f"/api/messages?before={page['before']}")[2])
    assert older["messages"][0]["position"] == page["before"] - 1
    detail = json.loads(client.ask("/api/messages/1")[2])
    assert detail["message"]["position"] == 1
    chart = json.loads(client.ask(f"/api/chart/{recent_person(client)}")[2])
    assert chart["patient"]["name"]
    assert json.loads(client.ask("/api/nothing")[2])["cure"]


def test_raw_bytes_are_exactly_the_landed_bytes(client: Client, site: Site, address: str) -> None:
    detail = site.store.detail(site.grant(), 1)
    connection = http.client.HTTPConnection(client.host, timeout=20)
    connection.request("GET", "/messages/1/raw", headers={"Cookie": client.cookie})
    answer = connection.getresponse()
    assert answer.getheader("content-disposition") == 'attachment; filename="message-1.bin"'
    assert answer.read() == detail.message.body
    connection.close()


def test_health_and_metrics_need_no_session_and_know_nobody(stranger: Client) -> None:
    assert stranger.ask("/healthz")[2] == "ok\n"
    status, _, text = stranger.ask("/readyz")
    assert (status, json.loads(text)) == (200, {"ready": True})
    assert stranger.ask("/metrics")[0] == 200


def test_static_files_are_cached_for_ever_by_their_content(client: Client) -> None:
    found = re.search(r'href="(/static/[^"]+console.css)"', client.ask("/feeds")[2])
    assert found is not None
    status, headers, _ = client.ask(found[1])
    assert status == 200
    assert "immutable" in headers["cache-control"]
    assert client.ask("/static/0/console.css")[0] == 404
    assert client.ask("/static/0/..%2F..%2Fapp.py")[0] == 404


def evidence_links(client: Client, persons: int) -> set[str]:
    """Links to evidence on the pages of some persons, one per person and element."""
    people = re.findall(r'class="row-link" href="/chart/([^"]+)"', client.ask("/chart")[2])
    links: dict[tuple[str, str], str] = {}
    for person in dict.fromkeys(people[:persons]):
        for tail in ("", "/results", "/medications", "/encounters", "/demographics", "/timeline"):
            text = client.ask(f"/chart/{person}{tail}")[2]
            for href in re.findall(r'href="(/evidence/[^"]+)"', text):
                links[person, href.rpartition("/")[2]] = html.unescape(href)
    return set(links.values())


def test_every_value_of_a_chart_has_exact_evidence(client: Client, site: Site) -> None:
    """Every kind of value on every page: what is marked are spans of the traced mapping, and the
    drawn text is the message's bytes."""
    links = evidence_links(client, 4)
    assert len(links) > 80
    unproven = 0
    for href in sorted(links):
        status, _, text = client.ask(href)
        assert status == 200, href
        if "not open to you as a whole" in text:
            _, _, id, asked = urllib.parse.unquote(href).split("/", 3)
            state = site.store.state(site.grant(), id)
            stamp = stamp_at(state, resolve(state.resource, asked))
            assert stamp is not None, href
            said = site.store.detail(site.grant(), stamp.position).message
            assert (said.source_patient, said.message_type) == ("", "Bundle"), href
            continue
        found = re.search(r'href="/messages/(\d+)"', text)
        assert found is not None, href
        drawn = Drawn(text)
        marked = {run: drawn.text[run] for *run_, on in drawn.runs if on for run in [tuple(run_)]}
        if not marked:
            assert "default" in text or "set by the mapping itself" in text, href
            unproven += 1
            continue
        detail = site.store.detail(site.grant(), int(found[1]))
        feed, mapping = site.mappings[detail.row.feed]
        traced = mapping.trace(detail.message, feed, site.namespace)
        spans = {span for e in traced.evidence for span in e.spans}
        charset = feed.charset
        for (a, b), shown in marked.items():
            assert any(s <= a and b <= e for s, e in spans), href
            assert detail.message.body[a:b].decode(charset, "replace") == shown, href
    assert unproven <= len(links) // 4


# Sites in other states


@pytest.fixture
def stores(postgres_server, tmp_path) -> Iterator[StoreFactory]:
    factory = StoreFactory(postgres_server, tmp_path)
    yield factory
    factory.close()


def test_an_empty_site_says_what_to_do_next(stores: StoreFactory) -> None:
    clock = ShiftedClock()
    site = Site(stores(clock=clock), clock)
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        assert "chartloom send" in client.ask("/feeds")[2]
        assert "chartloom send" in client.ask("/messages")[2]
        assert "There is no chart yet" in client.ask("/chart")[2]
        assert "Nothing is in quarantine" in client.ask("/quarantine")[2]


def test_when_the_store_is_down_pages_say_so(stores: StoreFactory, postgres_server) -> None:
    clock = ShiftedClock()
    site = Site(stores(clock=clock), clock)
    broken = stores.again("no_such_database", site.guard, clock=clock)
    site.store = broken
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        status, _, text = client.ask("/chart")
        assert status == 503
        assert "does not answer" in text
        assert "no_such_database" not in text
        status, _, text = client.ask("/readyz")
        assert status == 503
        assert json.loads(text)["ready"] is False
        assert client.ask("/healthz")[0] == 200


ADMISSION = (
    b"MSH|^~\\&|A|B|||20260301120000||ADT^A01|OLD1|P|2.5\r"
    b"PID|1||OLD1^^^H^MR||Weber^Anna||19700101|F|||||||||||||||Springfield\rPV1|1|I\r"
)


OWN_ROW = b"source,target,via,concept,rule\nPID-8,gender,CWE.code,gender,own-rule\n"


def test_evidence_is_explained_by_the_mapping_of_that_time(stores: StoreFactory) -> None:
    clock = ShiftedClock()
    store = stores(clock=clock)
    before = Site(store, clock)
    old = load_mapping(
        "hl7v2",
        {"segments/PID.Patient.csv": OWN_ROW},
    )
    feed = before.mappings["adt"][0]
    before.mappings["adt"] = before.worker.mappings["adt"] = (feed, old)  # type: ignore[index]
    store.save_project_version(old.fingerprint, old.files)
    (position,) = before.land("adt", ADMISSION)
    before.apply()
    (patient,) = (
        r
        for r in store.detail(before.grant(), position).resources
        if r["resourceType"] == "Patient"
    )
    after = Site(store, clock)
    assert after.mappings["adt"][1].fingerprint != old.fingerprint
    with serving(after.app()) as url:
        client = Client(url)
        client.cookie = after.sign_in()
        text = client.ask(f"/messages/{position}")[2]
        assert old.fingerprint[:12] in text
        assert "today's mapping" not in text
        assert "own-rule" in text
        status, _, text = client.ask(f"/evidence/{patient['id']}/birthDate")
        assert status == 200
        assert "19700101" in Drawn(text).text.values()
        text = client.ask(f"/evidence/{patient['id']}/gender")[2]
        assert "overlay/segments/PID.Patient.csv, line 2" in text


class Faulty:
    """A mapping with a bug that names a patient in its error."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def trace(self, *args: object) -> object:
        raise ValueError("Müller, Erika")


#: Primary care by one of the clinicians that the person who looks stands for.
OWN_DOCTOR = "PD1||||SIMDR001^Doe^Jo^^^^^^SGH\r"


def test_a_timeline_is_shown_whole_page_by_page(stores: StoreFactory) -> None:
    """150 results of one moment: more than one page holds."""
    clock = ShiftedClock()
    site = Site(stores(clock=clock), clock)
    found: list[str] = []
    head = "MSH|^~\\&|LAB|B|||20260301||ORU^R01|1|P|2.5\rPID|1||1^^^H^MR\r" + OWN_DOCTOR
    head += "OBR|1||F1|^Panel\r"
    rows = (f"OBX|{n}|NM|{n}^Name{n:03}^L||{n}|||||F|||202603010800" for n in range(1, 151))
    site.land("lab", (head + "\r".join(rows)).encode())
    site.apply()
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        path = f"/chart/{recent_person(client)}/timeline?section=results"
        pages = 0
        while path and pages < 5:
            text, pages = client.ask(path)[2], pages + 1
            found += re.findall(r"Name\d{3}", text)
            following = re.search(r'href="([^"]+)" rel="next"', text)
            path = html.unescape(following[1]) if following else ""
    assert pages == 3
    assert sorted(set(found)) == [f"Name{n:03}" for n in range(1, 151)]


def test_a_damaged_message_is_shown_with_its_reason(stores: StoreFactory) -> None:
    clock = ShiftedClock()
    site = Site(stores(clock=clock), clock)
    body = b"MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5\rPID|1||1^^^H^MR\r"
    site.land("adt", body)
    site.apply()  # before that nobody knows whom it is about
    with psycopg.connect(site.store.dsn, autocommit=True) as conn:
        conn.execute("UPDATE landing SET body = '\\x00'")
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        status, _, text = client.ask("/messages/1")
        assert status == 200
        assert "cannot be read" in text
        status, _, text = client.ask("/messages/1/raw")
        assert status == 500
        assert "Restore the store" in text


def test_a_bug_gives_a_page_without_its_text(
    stores: StoreFactory, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ShiftedClock()
    site = Site(stores(clock=clock), clock)
    site.land("adt", b"MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5\rPID|1||1^^^H^MR\r")
    site.apply()
    site.mappings = {n: (f, Faulty(m.fingerprint)) for n, (f, m) in site.mappings.items()}
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        status, headers, text = client.ask("/messages/1")
        assert status == 500
        assert "Müller" not in text
        assert "chartloom doctor" in text
        assert headers["content-security-policy"] == HEADERS["content-security-policy"]
    records = [r for r in caplog.records if r.exc_info]
    assert records
    shown = "".join(JsonFormatter("serve").format(record) for record in records)
    assert "ValueError" in shown
    assert "Müller" not in shown
