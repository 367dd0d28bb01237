"""De-identified and limited data sets: nothing that identifies leaves; the rest stays useful."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.codec import encode
from chartloom.formats.fhir import validate
from chartloom.guard.deid import Deidentifier, Profile, Project, project_key
from chartloom.guard.deid.tables import Node, code_systems, elements
from chartloom.guard.deid.values import SMALL_ZIP3, action, coding, shift_days

SECRET = bytes(range(32))
AS_OF = date(2024, 6, 1)
LOINC = "http://loinc.org"


def project(profile: Profile = Profile.SHIFTED, name: str = "p1", **more: Any) -> Project:
    return Project(name, project_key(SECRET, name), profile, AS_OF, **more)


def deid(profile: Profile = Profile.SHIFTED, name: str = "p1", **more: Any) -> Deidentifier:
    return Deidentifier(project(profile, name, **more))


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "pat",
    "meta": {"source": "CANARY", "versionId": "12"},
    "text": {"status": "generated", "div": "<div>CANARY</div>"},
    "identifier": [{"system": "urn:id:HOSP", "value": "CANARY"}],
    "name": [{"family": "CANARY", "given": ["Ana"]}],
    "telecom": [{"value": "CANARY"}],
    "gender": "female",
    "birthDate": "1980-02-03",
    "address": [
        {"line": ["1 CANARY Road"], "city": "CANARY", "state": "MA", "postalCode": "02139-1234"}
    ],
    "contact": [{"name": {"family": "CANARY"}}],
    "photo": [{"data": "Q0FOQVJZ"}],
    "generalPractitioner": [{"reference": "Practitioner/CANARY"}],
    "communication": [
        {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}], "text": "CANARY"}}
    ],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "obs",
    "status": "final",
    "code": {
        "coding": [
            {"system": LOINC, "code": "718-7", "display": "CANARY"},
            {"system": "urn:id:lab", "code": "CANARY"},
        ],
        "text": "CANARY",
    },
    "subject": {"reference": "Patient/pat", "display": "CANARY"},
    "effectiveDateTime": "2024-01-05T10:15:00-05:00",
    "issued": "2024-01-05T11:15:00-05:00",
    "valueQuantity": {
        "value": Decimal("13.20"),
        "unit": "CANARY",
        "system": "http://unitsofmeasure.org",
        "code": "g/dL",
    },
    "note": [{"text": "CANARY"}],
    "performer": [{"reference": "Practitioner/CANARY"}],
}


def test_patient_safe_harbor() -> None:
    d = deid(Profile.SAFE_HARBOR)
    assert d.resource(PATIENT, "pat") == {
        "resourceType": "Patient",
        "id": d.patient("pat"),
        "gender": "female",
        "birthDate": "1980",
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}}],
        "address": [{"state": "MA", "postalCode": "021"}],
    }


def test_patient_limited_keeps_dates_and_zip() -> None:
    found = deid(Profile.LIMITED).resource(PATIENT, "pat") or {}
    assert found["birthDate"] == "1980-02-03"
    assert found["address"] == [{"state": "MA", "postalCode": "02139"}]
    assert "CANARY" not in str(found)


def test_observation() -> None:
    d = deid()
    found = d.resource(OBSERVATION, "pat") or {}
    days = shift_days(project().key, "pat")
    shifted = datetime(2024, 1, 5, 15, 15) + timedelta(days=days)  # noqa: DTZ001
    assert found == {
        "resourceType": "Observation",
        "id": found["id"],
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "718-7"}]},
        "subject": {"reference": f"Patient/{d.patient('pat')}"},
        "effectiveDateTime": shifted.isoformat() + "Z",
        "issued": (shifted + timedelta(hours=1)).isoformat() + "Z",
        "valueQuantity": {
            "value": Decimal("13.20"),
            "system": "http://unitsofmeasure.org",
            "code": "g/dL",
        },
    }
    assert validate(found) == []
    harbor = deid(Profile.SAFE_HARBOR).resource(OBSERVATION, "pat") or {}
    assert harbor["effectiveDateTime"] == "2024"
    assert "issued" not in harbor
    limited = deid(Profile.LIMITED).resource(OBSERVATION, "pat") or {}
    assert limited["effectiveDateTime"] == "2024-01-05T15:15:00Z"


def test_required_codes_are_masked_and_required_states_drop() -> None:
    local = {**OBSERVATION, "code": {"text": "CANARY"}}
    found = deid().resource(local, "pat") or {}
    assert found["code"]["coding"][0]["code"] == "masked"
    assert validate(found) == []
    assert deid().resource({**OBSERVATION, "status": "CANARY"}, "pat") is None
    assert deid().resource({**OBSERVATION, "subject": {"display": "CANARY"}}, "pat") is None


@pytest.mark.parametrize(
    "kind", ["Practitioner", "RelatedPerson", "DocumentReference", "Binary", 3]
)
def test_other_types_do_not_leave(kind: Any) -> None:
    assert deid().resource({"resourceType": kind, "id": "x"}, "p") is None


@pytest.mark.parametrize("profile", [Profile.SAFE_HARBOR, Profile.SHIFTED])
@pytest.mark.parametrize(
    ("born", "leaves"),
    [("1935-01-01", "1935"), ("1934-12-31", None), ("1900", None), ("1935", "1935"), ("x", None)],
)
def test_nobody_is_older_than_89(profile: Profile, born: str, leaves: str | None) -> None:
    found = deid(profile).resource({**PATIENT, "birthDate": born}, "pat") or {}
    assert found.get("birthDate") == leaves


def test_small_zip_areas() -> None:
    def zipped(code: str) -> Any:
        patient = {**PATIENT, "address": [{"postalCode": code}]}
        found = deid(Profile.SAFE_HARBOR).resource(patient, "pat") or {}
        return found.get("address", [{}])[0].get("postalCode")

    assert len(SMALL_ZIP3) == 17
    assert {zipped(f"{z}01") for z in SMALL_ZIP3} == {"000"}
    assert zipped("02139") == "021"
    assert zipped("SW1A 1AA") is None
    assert zipped("٠٢١٣٩") is None


def test_fields_of_a_data_use() -> None:
    d = deid(fields=frozenset({"Observation.valueQuantity", "Patient.gender"}))
    found = d.resource(OBSERVATION, "pat") or {}
    assert set(found) == {"resourceType", "id", "status", "code", "subject", "valueQuantity"}
    assert set(d.resource(PATIENT, "pat") or {}) == {"resourceType", "id", "gender"}


# Pseudonyms and shifts


def test_projects_cannot_be_matched() -> None:
    first, second = deid(name="a"), deid(name="b")
    ids = [f"patient-{n}" for n in range(500)]
    assert not {first.patient(i) for i in ids} & {second.patient(i) for i in ids}
    assert len({first.patient(i) for i in ids}) == 500
    moves = [
        (shift_days(project(name="a").key, i), shift_days(project(name="b").key, i)) for i in ids
    ]
    assert sum(a == b for a, b in moves) < 10
    assert first.patient("x") == deid(name="a").patient("x")


def test_keys() -> None:
    assert len(project_key(SECRET, "a")) == 32
    with pytest.raises(ValueError, match="32"):
        project_key(b"short", "a")
    with pytest.raises(ValueError, match="32"):
        Deidentifier(Project("a", b"", Profile.LIMITED, AS_OF))


@given(st.text(max_size=30), st.binary(min_size=32, max_size=32))
def test_shift_is_within_a_year_and_never_none(patient: str, key: bytes) -> None:
    assert 1 <= abs(shift_days(key, patient)) <= 365


@given(
    st.lists(
        st.datetimes(datetime(1950, 1, 1), datetime(2050, 1, 1)),  # noqa: DTZ001
        min_size=2,
        max_size=5,
    ),
    st.text("abc", min_size=1, max_size=5),
)
def test_intervals_are_kept_per_patient(times: list[datetime], patient: str) -> None:
    d = deid()
    out = []
    for time in times:
        found = d.resource({**OBSERVATION, "effectiveDateTime": time.isoformat() + "Z"}, patient)
        assert found is not None
        out.append(datetime.fromisoformat(found["effectiveDateTime"]).replace(tzinfo=None))
    assert [t - out[0] for t in out] == [t - times[0] for t in times]
    assert out[0] != times[0]


# Canaries: identifiers in every element of every type

_CANARIES = (
    "CANARY", "CANARY-4711", "Rivera", "4711-0815-99", "617-555-0142", "078-05-1120",
    "a.rivera@example.org", "https://example.org/CANARY", "CANARY|1", "Practitioner/CANARY",
    "Patient/CANARY", "1 Main St", "urn:uuid:canary", "19800203-CANARY", "2024-01-05CANARY",
)  # fmt: skip


def _names(node: Node) -> set[str]:
    return set(node.inner).union(*(_names(n) for n in node.inner.values()))


_NAMES = sorted(
    set().union(*(_names(n) for n in elements().values()))
    | {
        "text", "div", "note", "display", "valueString", "identifier", "value", "name", "family",
        "extension", "url", "contained", "coding", "code", "system", "reference", "version", "id",
        "CANARY", "unit", "resource", "modifierExtension", "city", "line", "meta", "implicitRules",
    }
)  # fmt: skip
_CANARY = st.sampled_from(_CANARIES)
_SYSTEMS = st.sampled_from(sorted(code_systems()))
_CODING = st.fixed_dictionaries(
    {"system": _SYSTEMS | _CANARY, "code": _CANARY, "display": _CANARY, "version": _CANARY}
)
_LEAF = (
    _CANARY
    | _CODING
    | st.fixed_dictionaries({"coding": st.lists(_CODING, max_size=2), "text": _CANARY})
    | st.fixed_dictionaries({"reference": _CANARY, "display": _CANARY})
    | st.fixed_dictionaries({"value": _CANARY, "unit": _CANARY, "code": _CANARY, "system": _CANARY})
)
_ANY = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
_REQUIRED = {
    "status": "completed",
    "subject": {"reference": "Patient/pat"},
    "patient": {"reference": "Patient/pat"},
    "intent": "order",
    "occurrenceDateTime": "2024-01-05",
    "effectiveDateTime": "2024-01-05",
}


def _leaks(found: Any) -> list[str]:
    text = json.dumps(found, default=str)
    return [c for c in (*_CANARIES, "CANARY", "canary") if c in text]


@given(
    st.sampled_from(sorted(elements())),
    st.dictionaries(st.sampled_from(_NAMES), _ANY, min_size=1, max_size=12),
    st.sampled_from(list(Profile)),
    st.booleans(),
)
@settings(max_examples=400)
def test_no_canary_survives_anywhere(
    kind: str, stuffed: dict[str, Any], profile: Profile, valid: bool
) -> None:
    resource = {**stuffed, **(_REQUIRED if valid else {}), "resourceType": kind, "id": "CANARY"}
    found = deid(profile).resource(resource, "CANARY")
    assert _leaks(found) == []


def _paths(node: Node, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    here = [path] if node.element is not None else []
    return here + [p for name, n in node.inner.items() for p in _paths(n, (*path, name))]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("kind", sorted(elements()))
def test_every_allowed_element_is_stuffed_once(kind: str, profile: Profile) -> None:
    """Systematically: each element of the table holds each canary, in each shape."""
    d = deid(profile)
    for path in _paths(elements()[kind]):
        for canary in _CANARIES:
            shapes = (
                canary,
                [canary],
                {"coding": [{"system": LOINC, "code": canary, "display": canary}], "text": canary},
                [{"coding": [{"system": canary, "code": "718-7"}]}],
                {"reference": canary, "display": canary, "identifier": {"value": canary}},
                {canary: canary},
            )
            for shape in shapes:
                value: Any = shape
                for name in reversed(path[1:]):
                    value = {name: value, "text": canary, canary: canary}
                resource = {**_REQUIRED, path[0]: value, "resourceType": kind, "id": "x"}
                assert _leaks(d.resource(resource, "x")) == [], (path, shape)


# The tables


def test_tables_name_known_actions() -> None:
    for kind, tree in elements().items():
        for path in _paths(tree):
            node = tree
            for name in path:
                node = node.inner[name]
            assert node.element is not None
            assert node.element.required in ("", "mask", "drop")
            for name in node.element.actions.values():
                action(name)
            assert not set(path) & {
                "text",
                "note",
                "display",
                "valueString",
                "identifier",
                "name",
            }, kind


@pytest.mark.parametrize(
    ("system", "code", "leaves"),
    [
        (LOINC, "718-7", True),
        (LOINC, "718-8", False),
        (LOINC, "2345-7", True),
        ("http://snomed.info/sct", "72892002", True),
        ("http://snomed.info/sct", "10939881000119105", True),
        ("http://snomed.info/sct", "72892003", False),
        ("http://snomed.info/sct", "6175550142", False),
        ("http://hl7.org/fhir/sid/icd-10-cm", "F10.20", True),
        ("http://hl7.org/fhir/sid/icd-10-cm", "RIVERA", False),
        ("urn:id:lab", "718-7", False),
    ],
)
def test_codes_need_system_shape_and_check_digit(system: str, code: str, leaves: bool) -> None:
    assert (coding({"system": system, "code": code}) is not None) is leaves


@pytest.mark.parametrize("value", [10**8, Decimal("1234567.8901"), float("nan"), True, "5", 1e-12])
def test_numbers_that_could_be_something_else_stay(value: Any) -> None:
    quantity = {**OBSERVATION, "valueQuantity": {"value": value}}
    assert "valueQuantity" not in (deid().resource(quantity, "pat") or {})


def test_the_input_is_left_alone() -> None:
    before = encode(OBSERVATION)
    deid().resource(OBSERVATION, "pat")
    assert encode(OBSERVATION) == before
