"""Whom entries outside every compartment are about; which of them explain others; at what cost."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import msgspec
import pytest
from tests.support.bundles import DOCTOR, doctor, ids_of, person, result

from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message, Parts
from chartloom.normalize.fhir_feed import FhirMapping, Whose, whose

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
IDS = ids_of(FEED, EXAMPLE_NAMESPACE, ("ana", "ben", "cho"))
ANA, BEN = IDS["ana"], IDS["ben"]
Json = dict[str, Any]


def _look(value: Json, feed: Feed = FEED) -> tuple[bytes, Whose]:
    body = json.dumps(value).encode()
    seen = whose(body, value, feed, EXAMPLE_NAMESPACE, hashlib.sha256(body).digest())
    return body, seen


def _bundle(*entries: Any) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries)}


def _split(*entries: Any) -> tuple[bytes, Parts]:
    body, seen = _look(_bundle(*entries))
    assert seen.parts is not None
    return body, seen.parts


def _entry(kind: str, id: str, **more: Any) -> Json:
    return {"resource": {"resourceType": kind, "id": id, **more}}


def _to(reference: str) -> Json:
    return {"reference": reference}


NAMING: list[Json] = [
    {"resourceType": "Group", "member": [{"entity": _to("Patient/ben")}]},
    {"resourceType": "List", "entry": [{"item": _to("Observation/o-ben")}]},
    {"resourceType": "MessageHeader", "focus": [_to("http://clinic.example/Patient/ben")]},
    {"resourceType": "Schedule", "extension": [{"url": "x", "valueUri": "Patient/ben"}]},
    {"resourceType": "Organization", "contact": [{"extension": [{"url": "Patient/ben"}]}]},
    {
        "resourceType": "Group",
        "contained": [
            {
                "resourceType": "Patient",
                "identifier": [{"system": "urn:clinic", "value": "number-Benverbum"}],
            }
        ],
    },
]


@pytest.mark.parametrize("named", NAMING, ids=lambda n: str(n["resourceType"]))
def test_whom_an_entry_names_anywhere_it_is_about(named: Json) -> None:
    refers = _entry("Observation", "a", subject=_to("Patient/ana"), focus=[_to("List/x")])
    refers["resource"]["focus"] = [_to(f"{named['resourceType']}/x")]
    other = {"resource": {**named, "id": "x"}}
    body, parts = _split(person("ana"), person("ben"), result("ben"), refers, other)
    assert parts.items[4].persons == (BEN,)
    assert parts.items[3].needs == ()
    assert not any(b"Patient/ben" in t or b"Benverbum" in t for _, t in parts.of(body, ANA))
    assert 4 in dict(parts.of(body, BEN))


def test_an_entry_about_all_is_shown_to_none_alone() -> None:
    ward = _entry("List", "w", entry=[{"item": _to(f"Patient/{n}")} for n in ("ana", "ben")])
    body, parts = _split(ward, person("ana"), person("ben"))
    assert set(parts.items[0].persons) == {ANA, BEN}
    assert 0 not in dict(parts.of(body, ANA))


def test_patients_of_other_servers_are_not_shown_either() -> None:
    there = _entry("Observation", "x", subject=_to("https://else.example/Patient/7"))
    mine = _entry(
        "Observation", "a", subject=_to("Patient/ana"), derivedFrom=[_to("Observation/x")]
    )
    crowd = _entry("Group", "g", member=[{"entity": _to(f"Patient/p{n}")} for n in range(65)])
    mine["resource"]["focus"] = [_to("Group/g")]
    _, parts = _split(person("ana"), person("ben"), there, mine, crowd)
    assert [parts.items[n].persons for n in (2, 4)] == [(), ()]
    assert parts.items[3].needs == ()


def test_a_resource_alone_that_names_several_is_nobodys() -> None:
    members = [{"entity": _to(f"Patient/{n}")} for n in ("ana", "ben")]
    assert _look({"resourceType": "Group", "id": "g", "member": members})[1] == Whose()
    one = _look({"resourceType": "Group", "id": "g", "member": members[:1]})[1]
    assert one.source_patient == ANA


def test_what_names_nobody_still_explains() -> None:
    ward = _entry("Organization", "w", name="Ward", partOf=_to("Organization/h"))
    house = _entry("Organization", "h", name="House", partOf=_to("Organization/w"))
    mine = result("ana")
    mine["resource"]["performer"] = [_to(DOCTOR), _to("Organization/w")]
    body, parts = _split(person("ana"), person("ben"), mine, doctor(), ward, house)
    assert parts.items[2].needs == (3, 4, 5)
    assert [n for n, _ in parts.of(body, ANA)] == [0, 2, 3, 4, 5]


def test_above_the_limit_a_message_is_not_split() -> None:
    feed = msgspec.structs.replace(FEED, limits=FeedLimits(resources_max=2))
    value = _bundle(person("ana"), person("ben"), doctor())
    assert _look(value, feed)[1] == Whose()
    assert _look(value)[1].parts is not None
    body = json.dumps(value).encode()
    message = Message(1, "ehr", body, 0, hashlib.sha256(body).digest())
    derived = FhirMapping().derive(message, feed, EXAMPLE_NAMESPACE)
    assert derived.quarantine == "too-many-resources"


def _chain(count: int) -> list[Json]:
    """Each placed through the next one: the worst order."""
    first = _entry("Composition", "c0", subject=_to("Patient/ana"))
    others = [
        _entry("Provenance", f"c{n}", target=[_to(f"{_kind(n - 1)}/c{n - 1}")])
        for n in range(1, count)
    ]
    return [first, *others][::-1]


def _kind(number: int) -> str:
    return "Provenance" if number else "Composition"


def test_long_chains_are_placed_in_a_moment() -> None:
    chain = _chain(3000)
    began = time.process_time()
    body, parts = _split(person("ben"), *chain)
    assert time.process_time() - began < 2.5
    assert all(part.persons == (ANA,) for part in parts.items[1:])
    began = time.process_time()
    message = Message(1, "ehr", body, 0, hashlib.sha256(body).digest())
    FhirMapping().derive(message, FEED, EXAMPLE_NAMESPACE)
    assert time.process_time() - began < 10


def test_long_chains_of_houses_explain_nothing_and_cost_nothing() -> None:
    houses = [
        _entry("Organization", f"h{n}", partOf=_to(f"Organization/h{n + 1}")) for n in range(1500)
    ]
    who = ("ana", "ben")
    asking = [
        _entry("Observation", f"o{n}", subject=_to(f"Patient/{who[n % 2]}"), performer=[_to(at)])
        for n in range(1500)
        if (at := f"Organization/h{n}")
    ]
    began = time.process_time()
    _, parts = _split(*houses, *asking)
    assert time.process_time() - began < 2.5
    assert max(len(part.needs) for part in parts.items) <= 64
    assert parts.items[-1].needs == (1499,)
    assert parts.items[1500].needs == ()


def test_excerpts_stay_in_proportion() -> None:
    big = _entry("Organization", "big", name="x" * 300_000)
    half = _entry("Organization", "half", name="x" * 200_000)
    asking = [
        _entry("Observation", f"{p}-{kind}", subject=_to(f"Patient/{p}"), performer=[_to(at)])
        for p in range(200)
        for kind in ("big", "half")
        if (at := f"Organization/{kind}")
    ]
    body, parts = _split(big, half, *asking)
    given = sum(len(t) for p in parts.persons for _, t in parts.of(body, p))
    assert given < 18 * 1024 * 1024
    assert not any(0 in part.needs for part in parts.items)
    assert parts.items[3].needs == (1,)
