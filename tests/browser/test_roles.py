"""What people of each role may see, and what looks to them as if it were not there."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
from tests.support.console_client import Client
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.guard.audit import Actor, Context, Seen, events, read_events
from chartloom.guard.staff import Role, Staff, StaffMember

#: Two patients, each with a primary care physician of their own; an employee among them.
MESSAGE = (
    "MSH|^~\\&|A|B|||20260301||ADT^A28|{n}|P|2.5\r"
    "PID|1||{number}^^^H^MR||{name}||{born}|F\r"
    "PD1||||{doctor}^Doe^Jo^^^^^^H\r"
)
ANNA = {"n": 1, "number": "P1", "name": "Weber^Anna", "born": "19700101", "doctor": "D1"}
BERT = {"n": 2, "number": "P2", "name": "Quist^Bert", "born": "19800202", "doctor": "D2"}
STAFF = Staff(
    (
        StaffMember("one", "Dr One", (Role.CLINICIAN,), practitioner=("H|D1",)),
        StaffMember("two", "Dr Two", (Role.CLINICIAN,), practitioner=("H|D2",), patient=("H|P2",)),
        StaffMember("young", "Dr Young", (Role.CLINICIAN,), practitioner=("H|D9",)),
        StaffMember("engineer", "E", (Role.INTEGRATION_ENGINEER,)),
        StaffMember("officer", "P", (Role.PRIVACY_OFFICER,)),
        StaffMember("officer2", "P2", (Role.PRIVACY_OFFICER, Role.CLINICIAN)),
        StaffMember("analyst", "A", (Role.ANALYST,)),
        StaffMember("admin", "Ad", (Role.ADMINISTRATOR,)),
        StaffMember("steward", "S", (Role.DATA_STEWARD,), patient=("H|P2",)),
        StaffMember("nobody", "N", ()),
    )
)


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[Site]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("roles"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    made.staff = STAFF
    made.land("adt", *(MESSAGE.format(**who).encode() for who in (ANNA, BERT)))
    made.apply()
    yield made
    factory.close()


@pytest.fixture(scope="module")
def url(house: Site) -> Iterator[str]:
    with serving(house.app()) as address:
        yield address


@pytest.fixture
def sign_in(house: Site, url: str) -> Callable[[str], Client]:
    def signed_in(subject: str, method: str = "oidc") -> Client:
        client = Client(url)
        client.cookie = house.sign_in(subject, method=method)
        return client

    return signed_in


@pytest.fixture(scope="module")
def ids(house: Site) -> dict[str, str]:
    """Person ids of the two."""
    grant = house.grant()
    return {
        name: house.store.find_persons(grant, "identifier", number)[0].person_id
        for name, number in (("anna", "P1"), ("bert", "P2"))
    }


def rooms(client: Client) -> set[str]:
    nav = re.search(r'<nav class="rooms".*?</nav>', client.ask("/me")[2], re.DOTALL)
    return set(re.findall(r'href="([^"]+)"', nav[0])) if nav else set()


def events_since(site: Site, size: int) -> list[Seen]:
    return list(read_events(site.audit.read(size, 1000)))


def size_of(site: Site) -> int:
    return site.audit.end().size


MENU = {
    "one": {"/chart", "/directory", "/glass", "/uses"},
    "engineer": {"/directory", "/feeds", "/messages", "/quarantine"},
    "officer": {"/sessions", "/feeds", "/review", "/audit", "/uses", "/shreddings", "/labels"},
    "analyst": {"/uses"},
    "admin": {"/directory", "/sessions", "/feeds", "/keys", "/shreddings"},
    "steward": {"/directory", "/identity"},
    "nobody": set(),
}


@pytest.mark.parametrize("subject", MENU)
def test_the_menu_leads_where_a_role_may_go_and_nowhere_else(
    sign_in: Callable[[str], Client], subject: str
) -> None:
    client = sign_in(subject)
    assert rooms(client) == MENU[subject]
    for path in set().union(*MENU.values()):
        status = client.ask(path)[0]
        assert status == (200 if path in MENU[subject] else 404), path


@pytest.mark.parametrize("subject", MENU)
def test_no_page_links_to_what_its_reader_may_not_open(
    sign_in: Callable[[str], Client], subject: str
) -> None:
    client = sign_in(subject)
    pages = {path: client.ask(path)[2] for path in MENU[subject] | {"/me"}}
    linked = {
        (path, html.unescape(to))
        for path, text in pages.items()
        for to in re.findall(r'<a [^>]*href="(/[^"#]*)', text)
    }
    assert {to for _, to in linked} >= MENU[subject]
    asked = {to: client.ask(to)[0] for _, to in linked}
    assert not {(path, to) for path, to in linked if asked[to] == 404}


def every_way_to(site: Site, person: str) -> list[str]:
    """Addresses that show something of a person."""
    grant = site.grant()
    patient = site.store.person(grant, person).source_patients[0]
    position = next(
        r.position for r in site.store.search(grant, _all()) if r.source_patient == patient
    )
    return [
        f"/chart/{person}", f"/chart/{patient}", f"/chart/{person}/results",
        f"/chart/{person}/demographics", f"/chart/{person}/timeline",
        f"/chart/{person}/results/x", f"/evidence/{patient}/birthDate", f"/resources/{patient}",
        f"/messages/{position}", f"/messages/{position}/raw", f"/messages?person={person}",
        f"/api/chart/{person}", f"/api/messages/{position}", f"/api/messages?person={person}",
    ]  # fmt: skip


def _all():  # type: ignore[no-untyped-def]
    from chartloom.domain.store import MessageFilter

    return MessageFilter()


def test_a_clinician_sees_own_patients_in_every_way_and_nobody_else_in_any(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    client = sign_in("one")
    for path in every_way_to(house, ids["anna"]):
        expected = 404 if path.endswith("/results/x") else 200
        assert client.ask(path)[0] == expected, path
    for path in every_way_to(house, ids["bert"]):
        status, _, text = client.ask(path)
        assert status == 404, path
        assert "Quist" not in text


@pytest.mark.parametrize(
    "subject", ["engineer", "officer", "analyst", "admin", "steward", "nobody"]
)
def test_who_runs_the_site_sees_no_chart(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str], subject: str
) -> None:
    client = sign_in(subject)
    for path in every_way_to(house, ids["anna"]):
        may = subject == "engineer" and not path.startswith(("/chart", "/api/chart"))
        assert client.ask(path)[0] == (200 if may else 404), path


def test_unknown_and_forbidden_are_the_same_bytes(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    client = sign_in("one")
    unknown = "00000000-0000-5000-8000-000000000000"
    for path in every_way_to(house, ids["bert"]):
        forbidden = client.ask(path)
        parts = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", unknown, path)
        parts = re.sub(r"/messages/\d+", "/messages/999999", parts)
        missing = client.ask(parts)
        assert forbidden[0] == missing[0] == 404
        assert forbidden[2] == missing[2], path
        kept = {k: v for k, v in forbidden[1].items() if k != "date"}
        assert kept == {k: v for k, v in missing[1].items() if k != "date"}


def test_a_search_finds_own_patients_only(sign_in: Callable[[str], Client]) -> None:
    client = sign_in("one")
    for value, found in (("P1", True), ("Weber", True), ("P2", False), ("Quist", False)):
        form = {"value": value, "field": "any", "csrf": client.csrf("/me")}
        status, headers, _ = client.ask("/chart/find", "POST", form)
        assert status == 303
        assert headers["location"].startswith("/chart/") is found, value
    text = client.ask("/chart")[2]
    assert "Weber" in text
    assert "Quist" not in text


def test_nobody_reads_their_own_chart(
    sign_in: Callable[[str], Client], ids: dict[str, str]
) -> None:
    client = sign_in("two")
    assert client.ask(f"/chart/{ids['bert']}")[0] == 404
    assert "Quist" not in client.ask("/chart")[2]


def test_every_answer_is_on_record_the_denied_ones_too(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    client = sign_in("one")
    for name, denied in (("anna", ""), ("bert", "denied")):
        before = size_of(house)
        client.ask(f"/chart/{ids[name]}")
        (event,) = events_since(house, before)
        assert (event.actor, event.kind, event.denied) == ("one", "read", denied)
        members = house.store.person(house.grant(), ids[name]).source_patients
        assert event.patients == members
        assert event.purpose == "TREAT"


@pytest.mark.parametrize("subject", ["one", "officer", "analyst", "nobody"])
def test_every_denied_form_is_one_event(
    sign_in: Callable[[str], Client], house: Site, subject: str
) -> None:
    """Of rooms that are not one's own, and of records that are not there: all alike."""
    client = sign_in(subject)
    csrf = client.csrf("/me")
    strange = "0" * 32
    tries = [(path, "GET", {}) for path in ("/glass", "/review") if path not in MENU[subject]]
    for path, form in (
        ("/glass/again", {"id": strange}),
        ("/glass/end", {"id": strange}),
        (f"/review/{strange}", {"outcome": "justified"}),
        (f"/uses/{strange}", {"decision": "approve"}),
        (f"/uses/{strange}", {"decision": "withdraw"}),
        (f"/uses/{strange}", {"decision": "nonsense"}),
    ):
        tries.append((path, "POST", {**form, "csrf": csrf}))
    answers = set()
    for path, method, form in tries:
        before = size_of(house)
        status, _, text = client.ask(path, method, form) if form else client.ask(path)
        assert status == 404, (path, form)
        answers.add(text[text.index("<main") :])
        found = [(e.actor, e.denied, e.patients) for e in events_since(house, before)]
        assert found == [(subject, "denied", ())], (path, form)
    assert len(answers) == 1


def test_what_cannot_be_put_on_record_is_not_shown(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    from tests.support.memory_audit import DOWN

    client = sign_in("one")
    house.audit.fail = DOWN
    try:
        for path in every_way_to(house, ids["anna"]):
            status, _, text = client.ask(path)
            assert status == 503, path
            assert "Weber" not in text
    finally:
        house.audit.fail = None


GOOD = {"identifier": "P2", "birth_date": "1980-02-02", "reason": "emergency"}
WORDS = {"text": "Found unconscious at the entrance"}


def test_breaking_the_glass_opens_one_chart_for_a_time_and_is_reviewed_by_another(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    client, path = sign_in("one"), f"/chart/{ids['bert']}"
    csrf = client.csrf("/me")
    for wrong in ({"identifier": "P"}, {"birth_date": "1980-02-03"}, {"reason": "x"}, {"text": ""}):
        assert client.ask("/glass", "POST", {**GOOD, **WORDS, **wrong, "csrf": csrf})[0] in (
            400,
            404,
        )
        assert client.ask(path)[0] == 404
    before = size_of(house)
    status, headers, _ = client.ask("/glass", "POST", {**GOOD, **WORDS, "csrf": csrf})
    assert status == 303
    assert [e.kind for e in events_since(house, before)] == ["search", "glass-broken"]
    status, _, text = client.ask(headers["location"])
    assert status == 200
    assert "You have broken the glass" in text
    assert events_since(house, before)[-1].purpose == "BTG"
    assert sign_in("two").ask(path)[0] == 404  # one's own chart, and not for everybody
    assert "Quist" not in client.ask("/chart")[2]
    # Over by itself.
    house.clock.shift_us += 9 * 3600 * 1_000_000
    client = sign_in("one")
    assert client.ask(path)[0] == 404
    again = re.search(r'action="/glass/again".*?name="id" value="([^"]+)"', client.ask("/glass")[2])
    assert again is not None
    form = {"id": again[1], "csrf": client.csrf("/me")}
    assert client.ask("/glass/again", "POST", form)[0] == 303
    assert client.ask(path)[0] == 200
    # Reviewed by somebody else; that ends it.
    assert client.ask(f"/review/{again[1]}", "POST", {**form, "outcome": "justified"})[0] == 404
    officer = sign_in("officer")
    text = officer.ask("/review")[2]
    assert html.escape(WORDS["text"]) in text
    for glass in re.findall(r'action="/review/([^"]+)"', text):
        form = {"outcome": "unjustified", "csrf": officer.csrf("/me")}
        assert officer.ask(f"/review/{glass}", "POST", form)[0] == 303
    assert client.ask(path)[0] == 404
    form = {"id": again[1], "csrf": client.csrf("/me")}
    assert client.ask("/glass/again", "POST", form)[0] == 404


def test_a_privacy_officer_does_not_judge_own_emergency_access(
    sign_in: Callable[[str], Client], house: Site
) -> None:
    client = sign_in("officer2")
    form = {**GOOD, **WORDS, "csrf": client.csrf("/me")}
    assert client.ask("/glass", "POST", form)[0] == 303
    mine = re.search(r'action="/glass/end".*?name="id" value="([^"]+)"', client.ask("/glass")[2])
    assert mine is not None
    form = {"outcome": "justified", "csrf": client.csrf("/me")}
    assert client.ask(f"/review/{mine[1]}", "POST", form)[0] == 404
    officer = sign_in("officer")
    form["csrf"] = officer.csrf("/me")
    assert officer.ask(f"/review/{mine[1]}", "POST", form)[0] == 303


USE = {
    "title": "Sepsis bundle", "purpose": "HQUALIMP", "cohort": "Adults in the ED",
    "fields": "Observation.valueQuantity\nEncounter.period", "until": "", "everyone": "1",
}  # fmt: skip


def test_a_data_use_is_approved_by_somebody_else(
    sign_in: Callable[[str], Client], house: Site
) -> None:
    from datetime import UTC, datetime, timedelta

    day = datetime.fromtimestamp(house.clock.now_us() / 1e6, UTC) + timedelta(days=30)
    analyst, officer = sign_in("analyst"), sign_in("officer")
    form = {**USE, "until": f"{day:%Y-%m-%d}", "csrf": analyst.csrf("/me")}
    for none in ("everything", "Nonsense.field", "Patient.name", ""):
        assert analyst.ask("/uses", "POST", {**form, "fields": none})[0] == 400, none
    assert analyst.ask("/uses", "POST", form)[0] == 303
    found = re.search(r'action="/uses/([0-9a-f]{32})"', analyst.ask("/uses")[2])
    assert found is not None
    decide = {"decision": "approve", "csrf": analyst.csrf("/me")}
    assert analyst.ask(f"/uses/{found[1]}", "POST", decide)[0] == 404
    assert "Waiting" in officer.ask("/uses")[2]
    decide = {"decision": "approve", "csrf": officer.csrf("/me")}
    assert officer.ask(f"/uses/{found[1]}", "POST", decide)[0] == 303
    assert "Approved" in analyst.ask("/uses")[2]
    assert "Sepsis" not in sign_in("one").ask("/uses")[2]


def test_the_explorer_says_who_saw_a_person(
    sign_in: Callable[[str], Client], ids: dict[str, str]
) -> None:
    sign_in("one").ask(f"/chart/{ids['anna']}")
    officer = sign_in("officer")
    text = officer.ask(f"/audit?person={ids['anna']}")[2]
    assert "Who saw this person" in text
    assert "Dr One" in text
    form = {"person": ids["anna"], "actor": "one", "csrf": officer.csrf("/me")}
    status, headers, _ = officer.ask("/audit", "POST", form)
    assert status == 303
    assert "actor=one" in headers["location"]
    assert sign_in("engineer").ask(f"/audit?person={ids['anna']}")[0] == 404


def test_the_explorer_hides_the_work_of_the_site_and_pages_the_rest(
    sign_in: Callable[[str], Client], house: Site
) -> None:
    about = Context(house.clock.now_us(), Actor("service:worker-1", service=True))
    house.recorder.record(*(events.transformation(about, "adt", 1, 1, 1, "v") for _ in range(60)))
    officer = sign_in("officer")
    for _ in range(60):
        officer.ask("/me")

    def rows(path: str) -> tuple[list[str], str]:
        text = officer.ask(path)[2]
        table = text[text.index('id="events"') :]
        older = re.search(r'href="(/audit[^"]+)" rel="next"', table)
        who = re.findall(r"</td><td>([^<]*)</td><td>(?:\w|-)+", table)
        return who, html.unescape(older[1]) if older else ""

    people, older = rows("/audit")
    assert len(people) == 50
    assert not [who for who in people if who.startswith("service:")]
    assert older.startswith("/audit?before=")
    more, _ = rows(older)
    assert more
    everything, older = rows("/audit?work=1")
    while older:
        more, older = rows(older)
        everything += more
    assert len([who for who in everything if who == "service:worker-1"]) == 60
    assert (
        "what workers did with messages and pages that refreshed themselves are hidden"
        in officer.ask("/audit")[2]
    )


def test_my_access_shows_what_i_did(sign_in: Callable[[str], Client], ids: dict[str, str]) -> None:
    client = sign_in("one")
    client.ask(f"/chart/{ids['anna']}")
    text = client.ask("/me")[2]
    assert "Primary care" in text
    assert "chart/summary" in text
