"""``Patient/$merge`` and ``$unmerge`` through the console: previewed, answered, undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.console_client import Client
from tests.support.identity_house import PEOPLE, House, make
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.domain.codec import encode
from chartloom.domain.resource import LinkKind
from chartloom.guard.audit import read_events
from chartloom.serve.identity import saying

SignIn = Callable[[str], Client]


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("merging"))
    yield make(factory)
    factory.close()


@pytest.fixture(scope="module")
def sign_in(house: House) -> Iterator[SignIn]:
    with serving(house.site.app()) as address, house.working():

        def signed_in(subject: str) -> Client:
            client = Client(address)
            client.cookie = house.site.sign_in(subject)
            return client

        yield signed_in


def ask(
    client: Client, source: str, target: str, operation: str = "merge", **more: Any
) -> tuple[int, Any]:
    """The operation with Parameters; status and body."""
    given: list[dict[str, Any]] = [
        {"name": "source-patient", "valueReference": {"reference": f"Patient/{source}"}},
        {"name": "target-patient", "valueReference": {"reference": f"Patient/{target}"}},
    ]
    if "preview" in more:
        given.append({"name": "preview", "valueBoolean": more["preview"]})
    body = json.dumps({"resourceType": "Parameters", "parameter": given}).encode()
    headers = {"Content_Type": "application/fhir+json", "X_CSRF_Token": client.csrf("/me")}
    path = f"/fhir/R4/Patient/${operation}"
    status, _, text = client.ask(path, "POST", data=body, **(headers | more.get("headers", {})))
    return status, json.loads(text) if text.startswith("{") else text


def part(answer: Any, name: str) -> Any:
    (found,) = [p["resource"] for p in answer["parameter"] if p["name"] == name]
    return found


def links(patient: Any) -> list[tuple[str, str]]:
    return [(link["other"]["reference"], link["type"]) for link in patient.get("link", ())]


def person(house: House, name: str) -> str:
    return str(house.site.store.person(house.site.grant(), house.ids[name]).person_id)


def chart(house: House, name: str) -> bytes:
    site = house.site
    hit = site.store.person(site.grant(), house.ids[name])
    views = site.store.sections(site.grant(), hit.source_patients)
    return encode(sorted(encode([v.key, v.total, v.entries]) for v in views))


def test_what_waits_for_a_second_person_elsewhere_is_not_said_here(
    house: House, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words about two pairs of the same two persons would each wait for another for ever."""
    monkeypatch.setattr(saying, "said_elsewhere", lambda question, pair: ("p1", "p2"))
    said = len(house.site.store.words_of(house.site.grant(), [house.ids["jon-b"]]))
    status, answer = ask(sign_in("mina"), house.ids["jon-b"], house.ids["mid-a"])
    assert status == 409, answer
    assert "another pair of records" in json.dumps(answer)
    assert len(house.site.store.words_of(house.site.grant(), [house.ids["jon-b"]])) == said


def test_merged_and_unmerged(house: House, sign_in: SignIn) -> None:
    source, target = house.ids["jon-b"], house.ids["mid-a"]
    before = chart(house, "jon-b"), chart(house, "mid-a")
    client = sign_in("mina")
    status, shown = ask(client, source, target, preview=True)
    assert status == 200
    assert links(part(shown, "result")) == [(f"Patient/{source}", "replaces")]
    assert part(shown, "result").keys() == {"resourceType", "id", "link"}  # nobody asked about them
    assert person(house, "jon-b") != person(house, "mid-a")
    assert house.words(tuple(sorted((source, target)))) == []  # type: ignore[arg-type]

    status, merged = ask(client, source, target)
    assert status == 200
    gone = part(merged, "source")
    assert gone["active"] is False
    assert links(gone) == [(f"Patient/{target}", "replaced-by")]
    assert part(merged, "result")["id"] == target
    assert part(merged, "outcome")["issue"][0]["severity"] == "information"
    assert person(house, "jon-b") == person(house, "mid-a")
    (word,) = house.words(tuple(sorted((source, target))))  # type: ignore[arg-type]
    assert (word.kind, word.by) == (LinkKind.MERGE, "mina")

    status, again = ask(client, source, target)
    assert (status, "before" in str(part(again, "outcome"))) == (200, True)
    status, apart = ask(client, source, target, "unmerge")
    assert status == 200
    assert part(apart, "source").get("active") is not False
    assert links(part(apart, "source")) == []
    assert (chart(house, "jon-b"), chart(house, "mid-a")) == before


def test_where_it_is_hard_two_people_have_to_merge(house: House, sign_in: SignIn) -> None:
    source, target = house.ids["twin-a"], house.ids["twin-b"]
    status, first = ask(sign_in("yusuf"), source, target)
    assert status == 202
    assert part(first, "result")["name"]  # they stand in the queue
    assert part(first, "source").get("active") is not False
    assert person(house, "twin-a") != person(house, "twin-b")
    status, second = ask(sign_in("mina"), source, target)
    assert status == 200
    assert part(second, "source")["active"] is False
    assert person(house, "twin-a") == person(house, "twin-b")


def test_who_may_not_merges_nothing(house: House, sign_in: SignIn) -> None:
    source, target = house.ids["same-a"], house.ids["mid-b"]
    for subject in ("doctor", "engineer", "admin"):
        assert ask(sign_in(subject), source, target)[0] == 404
    mine = house.ids["me"]
    assert ask(sign_in("lena"), mine, target)[0] == 404
    wrong = {"X_CSRF_Token": "guessed"}
    assert ask(sign_in("mina"), source, target, headers=wrong)[0] == 403
    unknown = "00000000-0000-5000-8000-000000000000"
    assert ask(sign_in("mina"), unknown, target)[0] == 404
    assert house.words(house.pair("same-a", "mid-b")) == []


def test_what_is_not_whole_is_declined(house: House, sign_in: SignIn) -> None:
    client, mid = sign_in("mina"), house.ids["mid-a"]
    client.csrf("/me")
    for source, target in (("1", mid), (mid, mid), ("", "")):
        before = house.site.audit.end().size
        status, answer = ask(client, source, target)
        assert (status, answer["resourceType"]) == (400, "OperationOutcome")
        seen = [e for e in read_events(house.site.audit.read(before, 100)) if e.denied]
        assert [(e.actor, e.denied) for e in seen] == [("mina", "malformed")]
    form = {"source-patient": mid, "csrf": client.csrf("/me"), "surprise": "1"}
    status, _, text = client.ask("/fhir/R4/Patient/$merge", "POST", form)
    assert (status, "surprise" in text) == (400, True)


def _own_words_only(client: Client, page: str, now: str) -> None:
    """What somebody said, and nothing of what the two records say."""
    status, _, text = client.ask(page)
    assert status == 200
    assert "What you said of two records" in text
    assert now in " ".join(text.split())
    for key in ("jon-a", "thin-b"):
        said = [part for field in PEOPLE[key][2:] for part in field.split("^") if len(part) > 2]
        assert not [part for part in said if part in text]


def test_nobody_opens_two_strangers_by_their_own_word(house: House, sign_in: SignIn) -> None:
    source, target = house.ids["jon-a"], house.ids["thin-b"]
    pair = house.pair("jon-a", "thin-b")
    page = f"/identity/pairs/{pair[0]}/{pair[1]}"
    client = sign_in("yusuf")
    assert ask(client, source, target, "unmerge")[0] == 404  # nothing was said
    assert house.words(pair) == []
    assert ask(client, source, target)[0] == 200
    _own_words_only(client, page, "They are one person now.")
    status, again = ask(client, source, target, preview=True)
    assert status == 200
    assert part(again, "result").keys() <= {"resourceType", "id", "active", "link"}
    assert ask(client, source, target, "unmerge")[0] == 200
    assert ask(client, source, target, "unmerge")[0] == 404
    assert [w.kind for w in house.words(pair)] == [LinkKind.MERGE, LinkKind.WITHDRAW]
    _own_words_only(client, page, "They are two persons.")
    assert sign_in("mina").ask(page)[0] == 200  # somebody else spoke: that is a question


def test_every_answer_is_one_event_about_both(house: House, sign_in: SignIn) -> None:
    source, target = house.ids["thin-a"], house.ids["thin-b"]
    client = sign_in("yusuf")
    client.csrf("/me")
    asked: tuple[tuple[str, dict[str, Any], str, str], ...] = (
        ("merge", {"preview": True}, "read", ""),
        ("unmerge", {}, "read", ""),  # they said nothing, and both are told
        ("merge", {}, "identity-said", ""),
        ("merge", {}, "read", ""),  # that was said before
        ("unmerge", {}, "identity-said", ""),
        ("unmerge", {}, "read", ""),
    )
    for operation, more, kind, denied in asked:
        before = house.site.audit.end().size
        status, answer = ask(client, source, target, operation, **more)
        assert status in (200, 202)
        assert part(answer, "result")["name"]
        seen = [e for e in read_events(house.site.audit.read(before, 100)) if e.patients]
        assert [(e.actor, e.kind, e.denied) for e in seen] == [("yusuf", kind, denied)], operation
        assert set(seen[0].patients) == {source, target}
    # What is denied for want of a question is on record as denied, with no id.
    before = house.site.audit.end().size
    assert ask(client, source, house.ids["same-b"], "unmerge")[0] == 404
    seen = [e for e in read_events(house.site.audit.read(before, 100)) if e.denied]
    assert [(e.actor, e.denied, e.patients) for e in seen] == [("yusuf", "denied", ())]
