"""The FHIR door for other systems: PDQm, PIXm and $match over a real site and a real port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.asked_patients import site_of_people
from tests.support.identity_doors import IdentityDoors, open_doors

from chartloom.formats.fhir import validate

HOSP, CLINIC = "urn:id:HOSP", "urn:id:CLINIC"
ANNA = {
    "resourceType": "Patient",
    "name": [{"family": "Weber", "given": ["Anna", "Maria"]}],
    "birthDate": "1970-12-24",
    "gender": "female",
    "address": [{"line": ["12 Mill Lane"], "city": "Marsh", "postalCode": "10115"}],
    "telecom": [{"system": "phone", "value": "0305551234567"}],
}


@pytest.fixture(scope="module")
def doors(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdentityDoors]:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    with open_doors(site) as opened:
        yield opened
    factory.close()


def parameters(resource: object, **more: object) -> dict[str, Any]:
    kinds = {bool: "valueBoolean", int: "valueInteger", str: "valueString"}
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": resource},
            *({"name": n, kinds[type(v)]: v} for n, v in more.items()),
        ],
    }


def found(doors: IdentityDoors, **query: str) -> list[dict[str, Any]]:
    status, bundle, _ = doors.fhir("Patient?" + urlencode(query))
    assert status == 200, bundle
    assert validate(bundle) == []
    return [entry["resource"] for entry in bundle.get("entry", ())]


def names(patients: list[dict[str, Any]]) -> list[str]:
    return sorted(p["name"][0]["given"][0] for p in patients)


def refused(doors: IdentityDoors, path: str, body: object = None) -> tuple[int, str]:
    status, answer, _ = doors.fhir(path, body)
    assert answer["resourceType"] == "OperationOutcome"
    assert validate(answer) == []
    return status, answer["issue"][0]["code"]


def test_one_person_with_the_numbers_of_all_records(doors: IdentityDoors) -> None:
    (anna,) = found(doors, identifier=f"{HOSP}|4711")
    held = {(i["system"], i["value"]) for i in anna["identifier"]}
    assert held == {(HOSP, "4711"), (CLINIC, "C-9")}  # not the number of the social insurance
    assert anna["birthDate"] == "1970-12-24"
    assert found(doors, identifier=f"{CLINIC}|C-9") == [anna]
    assert found(doors, identifier=f"{CLINIC}|4711") == []
    assert doors.fhir(f"Patient/{anna['id']}")[1] == anna


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"family": "weber"}, ["Anna", "Bert"]),
        ({"family": "Web"}, ["Anna", "Bert"]),
        ({"family:exact": "Web"}, []),
        ({"family": "weber", "given": "ANNA"}, ["Anna"]),
        ({"family": "weber", "gender": "male"}, ["Bert"]),
        ({"family": "weber", "birthdate": "1968"}, ["Bert"]),
        ({"family": "weber", "birthdate": "ge1969"}, ["Anna"]),
        ({"birthdate": "1990"}, ["Zoë"]),
        ({"birthdate": "1970-12-24"}, ["Anna"]),
        ({"family": "weber,o'neil", "given": "zoë,bert"}, ["Bert", "Zoë"]),
        ({"family": "weber", "address-city": "Marsh", "address-postalcode": "10115"},
         ["Anna", "Bert"]),
        ({"family": "weber", "telecom": "phone|030 555 1234567"}, ["Anna"]),
        ({"family": "weber", "telecom": "99999999"}, []),
        ({"family": "weber", "active": "true"}, ["Anna", "Bert"]),
        ({"family": "weber", "active": "false"}, []),
        ({"identifier": "4711"}, ["Anna"]),
        ({"telecom": "phone|+49 30 555 1234567"}, ["Anna"]),
        ({"telecom": "tel:5551234567"}, ["Anna"]),
        ({"family": "weber", "identifier": f"{CLINIC}|"}, ["Anna"]),
        ({"family": "nobody"}, []),
    ],
)  # fmt: skip
def test_searches(doors: IdentityDoors, query: dict[str, str], expected: list[str]) -> None:
    assert names(found(doors, **query)) == expected
    status, bundle, _ = doors.fhir("Patient/_search", form=urlencode(query))
    assert (status, len(bundle.get("entry", ()))) == (200, len(expected))
    assert bundle["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "too-costly"),
        ("gender=female", "too-costly"),
        ("family=we", "too-costly"),
        ("address-city=Marsh", "too-costly"),
        ("telecom=123456", "too-costly"),
        ("birthdate=ge1900", "too-costly"),
        ("family=weber&shoe=44", "not-supported"),
        ("family:contains=eber", "not-supported"),
        ("birthdate:exact=1970", "not-supported"),
        ("family=", "invalid"),
        ("family=weber,", "invalid"),
        ("family=weber&birthdate=yesterday", "invalid"),
        ("family=weber&gender=F", "code-invalid"),
        ("family=weber&_count=0", "invalid"),
        ("family=" + "x" * 300, "too-long"),
        ("identifier=urn:id:HOSP|", "too-costly"),
    ],
)
def test_what_cannot_be_searched_is_refused(doors: IdentityDoors, query: str, code: str) -> None:
    assert refused(doors, f"Patient?{query}") == (400, code)


def test_what_was_posted_stands_in_no_address_of_the_answer(doors: IdentityDoors) -> None:
    status, first, _ = doors.fhir("Patient/_search", form="family=weber&_count=1")
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert (status, len(first["entry"])) == (200, 1)
    assert links["self"].endswith("/fhir/R4/Patient/_search")
    second = doors.fhir(links["next"].partition("/fhir/R4/")[2])[1]
    assert second["link"] == [{"relation": "self", "url": links["next"]}]
    asked = doors.fhir("Patient?family=weber&_count=5")[1]
    assert asked["link"][0]["url"].endswith("/fhir/R4/Patient?family=weber&_count=5")


def test_pages(doors: IdentityDoors) -> None:
    status, first, _ = doors.fhir("Patient?family=weber&_count=1")
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert (status, len(first["entry"]), "total" in first) == (200, 1, False)
    assert "weber" not in links["next"]
    second = doors.fhir(links["next"].partition("/fhir/R4/")[2])[1]
    assert second["entry"][0]["resource"]["id"] != first["entry"][0]["resource"]["id"]
    assert [link["relation"] for link in second["link"]] == ["self"]
    assert refused(doors, links["next"].partition("/fhir/R4/")[2][:-4]) == (410, "expired")
    other = doors.token(client="sender-with-scope")
    assert doors.fhir(links["next"].partition("/fhir/R4/")[2], token=other)[0] == 410


def test_match_tells_who_it_is_and_how_surely(doors: IdentityDoors) -> None:
    status, bundle, _ = doors.fhir("Patient/$match", parameters(ANNA))
    assert (status, bundle["type"], validate(bundle)) == (200, "searchset", [])
    best = bundle["entry"][0]
    assert best["resource"]["name"][0]["given"][0] == "Anna"
    assert best["search"]["extension"] == [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/match-grade",
            "valueCode": "certain",
        }
    ]
    assert 0.95 <= best["search"]["score"] <= 1
    scores = [e["search"]["score"] for e in bundle["entry"]]
    assert scores == sorted(scores, reverse=True)


def test_match_leaves_out_who_is_not_certain(doors: IdentityDoors) -> None:
    vague = ANNA | {"name": [{"family": "Weber"}]}
    every = doors.fhir("Patient/$match", parameters(vague))[1]
    grades = [e["search"]["extension"][0]["valueCode"] for e in every["entry"]]
    assert grades[0] == "probable"
    assert "certain" not in grades
    certain = doors.fhir("Patient/$match", parameters(vague, onlyCertainMatches=True))[1]
    assert certain == {"resourceType": "Bundle", "type": "searchset", "total": 0}
    nobody = {"resourceType": "Patient", "gender": "female"}
    assert doors.fhir("Patient/$match", parameters(nobody))[1]["total"] == 0
    one = doors.fhir("Patient/$match", parameters(ANNA, count=1))[1]
    assert one["total"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {"resourceType": "Patient"},
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": [{"name": "resource"}]},
        parameters({"resourceType": "Observation", "status": "final", "code": {"text": "x"}}),
        parameters(ANNA, count=0),
        parameters(ANNA, count="many"),
        parameters(ANNA, onlyCertainMatches="yes"),
        parameters(ANNA, shoe=44),
    ],
)
def test_match_of_nothing_that_could_be_matched(doors: IdentityDoors, body: object) -> None:
    status, code = refused(doors, "Patient/$match", body)
    assert (status, code) in {
        (400, c) for c in ("structure", "required", "invalid", "not-supported")
    }


def pix(source: str, *targets: str) -> str:
    pairs = [("sourceIdentifier", source), *(("targetSystem", t) for t in targets)]
    return f"Patient/$ihe-pix?{urlencode(pairs)}"


def test_cross_references(doors: IdentityDoors) -> None:
    status, answer, _ = doors.fhir(pix(f"{HOSP}|4711"))
    assert (status, validate(answer)) == (200, [])
    told = [p["valueIdentifier"] for p in answer["parameter"] if p["name"] == "targetIdentifier"]
    assert told == [{"system": CLINIC, "value": "C-9"}, {"system": HOSP, "value": "4711"}]
    (anna,) = found(doors, identifier=f"{HOSP}|4711")
    (target,) = [p["valueReference"] for p in answer["parameter"] if p["name"] == "targetId"]
    assert target["reference"].endswith(f"/fhir/R4/Patient/{anna['id']}")
    only = doors.fhir(pix(f"{HOSP}|4711", CLINIC))[1]
    assert [p["name"] for p in only["parameter"]] == ["targetIdentifier", "targetId"]
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "sourceIdentifier", "valueString": f"{HOSP}|4711"},
            {"name": "targetSystem", "valueUri": CLINIC},
        ],
    }
    assert doors.fhir("Patient/$ihe-pix", body)[1] == only


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (pix(f"{HOSP}|9999"), (404, "not-found")),
        (pix("urn:id:NID|77"), (400, "multiple-matches")),
        (pix("4711"), (400, "required")),
        (pix("|4711"), (400, "required")),
        (pix(f"{HOSP}|"), (400, "invalid")),
        ("Patient/$ihe-pix", (400, "required")),
        (pix(f"{HOSP}|4711") + "&sourceIdentifier=a%7Cb", (400, "required")),
        (pix(f"{HOSP}|4711") + "&shoe=44", (400, "not-supported")),
        ("Patient/nobody", (404, "not-found")),
        ("Patient/a%20b", (404, "not-found")),
    ],
)
def test_errors_of_cross_references_and_reads(
    doors: IdentityDoors, path: str, expected: tuple[int, str]
) -> None:
    assert refused(doors, path) == expected


def test_what_the_door_says_of_itself(doors: IdentityDoors) -> None:
    status, statement, headers = doors.fhir("metadata", token="")
    assert (status, headers["content-type"]) == (200, "application/fhir+json")
    assert validate(statement) == []
    (patient,) = statement["rest"][0]["resource"]
    for operation in patient["operation"]:
        path = operation["definition"].partition("/fhir/R4/")[2]
        status, definition, _ = doors.fhir(path, token="")
        assert (status, validate(definition)) == (200, [])
        assert definition["url"] == operation["definition"]
    for parameter in patient["searchParam"]:
        query = {"family": "weber", parameter["name"]: "1970"}
        code = doors.fhir("Patient?" + urlencode(query))[1].get("issue", [{"code": ""}])[0]["code"]
        assert code != "not-supported"
    smart = doors.fhir(".well-known/smart-configuration", token="")[1]
    assert smart["token_endpoint"].endswith("/token")


def test_each_question_is_one_event_with_its_transaction(doors: IdentityDoors) -> None:
    before = doors.site.audit.end().size
    doors.fhir("Patient?family=weber")
    doors.fhir("Patient?gender=female")
    doors.fhir(pix(f"{HOSP}|4711"))
    doors.fhir(pix(f"{HOSP}|nobody"))
    doors.fhir("Patient/$match", parameters(ANNA))
    doors.fhir("Patient/$match", b"{")
    doors.fhir("Patient?family=weber", token=doors.token("system/Observation.rs"))
    events = doors.events(before)
    assert [e.denied for e in events] == [""] * 6 + ["denied"]
    assert [len(e.patients) > 0 for e in events] == [True, False, True, False, True, False, False]
    logged = [e.body for e in doors.site.audit.read(before, 100)]
    codes = [b"ITI-78", b"ITI-78", b"ITI-83", b"ITI-83", b"ITI-119", b"ITI-119", b"ITI-78"]
    assert all(code in event for code, event in zip(codes, logged, strict=True))
    for event in logged:
        for word in (b"weber", b"Weber", b"4711", b"1970"):
            assert word not in event
    assert set(events[0].fingerprints) == {"family"}
    assert set(events[4].fingerprints) == {"birthdate", "family"}
