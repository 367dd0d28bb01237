"""Bounds of answers: they say nothing of those who may not be told of, and nothing wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.scenario.test_fhir_identity_door import HOSP, parameters, pix
from tests.scenario.test_v2_identity_door import pix as v2_pix
from tests.support.asked_patients import site_of_people
from tests.support.identity_doors import IdentityDoors, fields, open_doors

from chartloom.domain.resource import LinkKind
from chartloom.serve.client_registry import registry

_PATIENT = (
    "MSH|^~\\&|ADT|WEST|CL|HQ|20260301120000||ADT^A04^ADT_A01|N{number}|P|2.5.1\r"
    "EVN|A04|20260301120000\r"
    "PID|1||{number}^^^{issuer}^MR||{name}||{born}|{sex}|||{home}||030555{phone}^PRN^PH\r"
    "PV1|1|O|3W\r"
)
#: Like the celebrity of ``asked_patients``, and two who are one or the other Rosa.
_LIKE = (
    ("9001", "CLINIC", "Star^Vera", "19800320", "F", "7 Oak^^Marsh^^10117", ""),
    ("9002", "HOSP", "Ibarra^Rosa", "19551124", "F", "3 Fir Ct^^Marsh^^10118", "7775678"),
    ("9003", "HOSP", "Ibarra^Rosa", "19551124", "F", "3 Fir Ct^^Marsh^^10118", "7775678"),
)
_ROSAS = ("9002", "9003")
STAR = {
    "resourceType": "Patient",
    "name": [{"family": "Star", "given": ["Vera"]}],
    "birthDate": "1980-03-03",
    "gender": "female",
    "identifier": [{"system": HOSP, "value": "4713"}],
    "address": [{"line": ["1 Palace"], "city": "Marsh", "postalCode": "10117"}],
    "telecom": [{"system": "phone", "value": "0305557771234"}],
}

ROSA = {
    "resourceType": "Patient",
    "name": [{"family": "Ibarra", "given": ["Rosa"]}],
    "birthDate": "1955-11-24",
    "gender": "female",
    "address": [{"line": ["3 Fir Ct"], "city": "Marsh", "postalCode": "10118"}],
}


@pytest.fixture(scope="module")
def doors(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdentityDoors]:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    names = ("number", "issuer", "name", "born", "sex", "home", "phone")
    site.land("adt", *(_PATIENT.format(**dict(zip(names, p, strict=True))).encode() for p in _LIKE))
    site.apply()
    one, other = (
        site.store.find_persons(site.grant(), "identifier", n)[0].source_patients for n in _ROSAS
    )
    site.say(LinkKind.UNLINK, min(*one, *other), max(*one, *other), by="user:ada")
    site.apply()
    with open_doors(site) as opened:
        yield opened
    factory.close()


def test_a_hidden_person_takes_nobodys_place(doors: IdentityDoors) -> None:
    known = doors.site.store.match(doors.site.grant(), STAR, 10)
    assert [m.outcome for m in known] == ["link", "review"]  # the celebrity before the other
    told = [
        doors.fhir("Patient/$match", parameters(STAR, count=count))[1].get("entry", [])
        for count in (1, 2, 50)
    ]
    assert [len(entries) for entries in told] == [1, 1, 1]
    assert {e["resource"]["birthDate"] for entries in told for e in entries} == {"1980-03-20"}


def test_two_are_none_that_is_certain_however_few_are_asked_for(doors: IdentityDoors) -> None:
    known = doors.site.store.match(doors.site.grant(), ROSA, 10)
    assert [m.outcome for m in known] == ["link", "link"]
    for count in (1, 2, 50):
        body = parameters(ROSA, count=count, onlyCertainMatches=True)
        assert doors.fhir("Patient/$match", body)[1]["total"] == 0, count
    assert doors.fhir("Patient/$match", parameters(ROSA, count=1))[1]["total"] == 1


def test_a_number_of_too_many_is_not_answered_by_some(
    doors: IdentityDoors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two have it: one must not be told as if there was no other, nor that there is none."""
    system = HOSP.replace("HOSP", "NID")
    monkeypatch.setattr(registry, "_CHUNK", 1)
    monkeypatch.setattr(registry, "_CHUNKS_MAX", 1)
    for number, issuer in (("77", system), ("77", HOSP)):
        status, answer, _ = doors.fhir(pix(f"{issuer}|{number}"))
        assert (status, answer["issue"][0]["code"]) == (400, "too-costly")
    reply = doors.ask(v2_pix("77^^^NID"))
    assert fields(reply, "MSA", (1,)) + fields(reply, "ERR", (3,)) == ["AE", "207"]
    monkeypatch.undo()
    assert doors.fhir(pix(f"{system}|77"))[1]["issue"][0]["code"] == "multiple-matches"
    assert doors.fhir(pix(f"{HOSP}|77"))[0] == 404
