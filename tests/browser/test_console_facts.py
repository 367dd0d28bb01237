"""What the console tells is what the store holds: bytes, evidence, a timeline to its last page."""

from __future__ import annotations

import html
import http.client
import json
import re
import unicodedata
import urllib.parse

import psycopg
from tests.support.console_client import Client, recent_person
from tests.support.drawn import Drawn
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import TOKEN, ShiftedClock, Site, serving

from chartloom.normalize import load_mapping
from chartloom.serve.elements import resolve, stamp_at


def test_a_person_is_found_by_identifier(client: Client) -> None:
    text = client.ask("/chart")[2]
    person = recent_person(client)
    row = text[text.index(person) :]
    identifier = re.search(r"<code>([^<]+)</code>", row)
    assert identifier is not None
    form = {"value": identifier[1], "field": "identifier", "csrf": client.csrf()}
    status, headers, _ = client.ask("/chart/find", "POST", form)
    assert (status, headers["location"]) == (303, f"/chart/{person}")


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
    connection = http.client.HTTPConnection(client.host, timeout=PATIENCE_S)
    connection.request("GET", "/messages/1/raw", headers={"Cookie": client.cookie})
    answer = connection.getresponse()
    assert answer.getheader("content-disposition") == 'attachment; filename="message-1.bin"'
    assert answer.read() == detail.message.body
    connection.close()


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


def as_drawn(text: str) -> str:
    """What would turn writing round, or is not seen, is drawn by its number."""
    return "".join(f"U+{ord(c):04X}" if unicodedata.category(c) == "Cf" else c for c in text)


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
            assert as_drawn(detail.message.body[a:b].decode(charset, "replace")) == shown, href
    assert unproven <= len(links) // 4


ADMISSION = (
    b"MSH|^~\\&|A|B|||20260301120000||ADT^A01|OLD1|P|2.5\r"
    b"PID|1||OLD1^^^H^MR||Weber^Anna||19700101|F|||||||||||||||Springfield\rPV1|1|I\r"
)


OWN_ROW = b"source,target,via,concept,rule\nPID-8,gender,CWE.code,gender,own-rule\n"


def test_evidence_is_explained_by_the_mapping_of_that_time(store_factory: StoreFactory) -> None:
    clock = ShiftedClock()
    store = store_factory(clock=clock)
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


#: Primary care by one of the clinicians that the person who looks stands for.
OWN_DOCTOR = "PD1||||SIMDR001^Doe^Jo^^^^^^SGH\r"


def test_a_timeline_is_shown_whole_page_by_page(store_factory: StoreFactory) -> None:
    """150 results of one moment: more than one page holds."""
    clock = ShiftedClock()
    site = Site(store_factory(clock=clock), clock)
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


def test_a_damaged_message_is_shown_with_its_reason(store_factory: StoreFactory) -> None:
    clock = ShiftedClock()
    site = Site(store_factory(clock=clock), clock)
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
