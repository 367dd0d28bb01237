"""What a Consent withholds by class: resource by resource, with exceptions inside exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asking import asking

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import BIT, Label
from chartloom.guard.consent import consent_facts
from chartloom.guard.withholding import hides_patient, withholds, without_references

NOW = to_us("2024-06-15T12:00:00Z")
LOINC, ICD = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"


def deny(*inner: Any, **conditions: Any) -> dict[str, Any]:
    return provision("deny", inner, conditions)


def permit(*inner: Any, **conditions: Any) -> dict[str, Any]:
    return provision("permit", inner, conditions)


def provision(kind: str, inner: Any, conditions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind}
    for name, value in conditions.items():
        if name == "types":
            found["class"] = [{"code": t} for t in value.split()]
        elif name == "labels":
            found["securityLabel"] = [{"code": c} for c in value.split()]
        elif name == "codes":
            found["code"] = [{"coding": [{"system": s, "code": c}]} for s, c in value]
        elif name == "who":
            found["actor"] = [{"reference": {"reference": value}}]
        else:
            found[name] = value
    if inner:
        found["provision"] = list(inner)
    return found


def consent(root: Any, rule: str = "") -> dict[str, Any]:
    found = {"resourceType": "Consent", "status": "active", "provision": root}
    return found | ({"policyRule": {"coding": [{"code": rule}]}} if rule else {})


def hidden(
    root: Any, resource: dict[str, Any], *labels: Label, rule: str = "", who: str = "me"
) -> bool:
    said = consent_facts([consent(root, rule)], asking(who), Purpose.TREATMENT, NOW, ("p",))
    if "*" in said.denied or said.denied & {label.value for label in labels}:
        return True
    mask = sum(BIT[label] for label in labels)
    assert not withholds(said.withheld, "somebody else", resource, mask)
    return withholds(said.withheld, "p", resource, mask)


def thing(kind: str, id: str = "1", **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": id, **more}


def lab(code: str = "718-7", system: str = LOINC, **more: Any) -> dict[str, Any]:
    return thing("Observation", code={"coding": [{"system": system, "code": code}]}, **more)


def test_a_class() -> None:
    no_labs = deny(types="Observation DiagnosticReport")
    assert hidden(no_labs, lab())
    assert hidden(no_labs, thing("DiagnosticReport"))
    assert not hidden(no_labs, thing("Condition"))
    assert not hidden(no_labs, thing("Patient"))
    assert hidden(no_labs, thing("Condition", contained=[lab()])), "it holds one"
    root = permit(no_labs)
    assert hidden(root, lab())
    assert not hidden(root, thing("Condition"))


def test_a_class_of_a_label() -> None:
    only = deny(types="Observation", labels="HIV")
    assert hidden(only, lab(), Label.HIV)
    assert hidden(only, lab(), Label.HIV, Label.PSY)
    assert not hidden(only, lab(), Label.PSY)
    assert not hidden(only, lab())
    assert not hidden(only, thing("Condition"), Label.HIV)
    of_a_celebrity = deny(types="Observation", labels="VIP")
    assert hidden(of_a_celebrity, lab()), "nothing in the chart carries it: all of the class"


def test_codes() -> None:
    hiv = deny(codes=[(LOINC, "75622-1"), (ICD, "B20")])
    assert hidden(hiv, lab("75622-1"))
    assert not hidden(hiv, lab())
    assert hidden(hiv, thing("Condition", code={"coding": [{"system": ICD, "code": "B20"}]}))
    assert hidden(hiv, thing("Condition", code={"coding": [{"system": ICD, "code": "B20.1"}]}))
    assert hidden(hiv, lab("75622-1", "urn:id:LAB")), "another system's: nobody can tell"
    assert hidden(hiv, lab("75622-1", ""))
    because = {"reasonCode": [{"coding": [{"system": ICD, "code": "B20"}]}]}
    request = {"coding": [{"system": LOINC, "code": "718-7"}]}
    assert hidden(hiv, thing("ServiceRequest", code=request, **because)), "wherever it stands"
    assert hidden(hiv, thing("Observation", code={"text": "HIV"})), "in words, nobody knows"
    assert not hidden(hiv, thing("Encounter"))
    assert not hidden(hiv, thing("Patient"))


def test_single_things() -> None:
    one = deny(data=[{"meaning": "instance", "reference": {"reference": "Observation/7"}}])
    assert hidden(one, lab(id="7"))
    assert not hidden(one, lab(id="8"))
    report = thing("DiagnosticReport", result=[{"reference": "Observation/7"}])
    assert not hidden(one, report)
    more = deny(data=[{"meaning": "dependents", "reference": {"reference": "Observation/7"}}])
    assert hidden(more, lab(id="7"))
    assert hidden(more, report)
    assert not hidden(more, lab(id="8"))


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("2019-12-30", False), ("2019-12-31T12:00:00Z", True), ("2020", True),
        ("2020-06-01T00:00:00Z", True), ("2021-01-01T11:00:00Z", True),
        ("2021-01-03", False), ("2018", False), ("", True),
    ],
)  # fmt: skip
def test_times_of_the_data(when: str, outcome: bool) -> None:
    year = deny(dataPeriod={"start": "2020-01-01", "end": "2020-12-31"})
    assert hidden(year, lab(effectiveDateTime=when) if when else lab()) is outcome
    assert not hidden(year, thing("Patient", birthDate="2020-02-02"))


def test_a_stay_counts_from_its_first_to_its_last_day() -> None:
    year = deny(dataPeriod={"start": "2020-01-01", "end": "2020-12-31"})
    for start, end, outcome in (
        ("2019-12-01T00:00:00Z", "2020-02-01T00:00:00Z", True),
        ("2019-12-01T00:00:00Z", None, True),
        ("2019-01-01T00:00:00Z", "2019-12-01T00:00:00Z", False),
        ("2021-02-01T00:00:00Z", None, False),
    ):
        period = {"start": start} | ({"end": end} if end else {})
        assert hidden(year, thing("Encounter", period=period)) is outcome


def test_permit_inside_deny() -> None:
    but_allergies = deny(permit(types="AllergyIntolerance"))
    assert not hidden(but_allergies, thing("AllergyIntolerance"))
    assert hidden(but_allergies, lab())
    assert hidden(but_allergies, thing("Patient"))
    opted_out = permit(types="AllergyIntolerance")
    assert not hidden(opted_out, thing("AllergyIntolerance"), rule="OPTOUT")
    assert hidden(opted_out, lab(), rule="OPTOUT")


def test_deny_inside_permit_inside_deny() -> None:
    nested = deny(
        permit(deny(codes=[(LOINC, "75622-1")]), types="Observation"), types="Observation Condition"
    )
    assert hidden(nested, thing("Condition"))
    assert hidden(nested, lab("75622-1"))
    assert not hidden(nested, lab())
    assert not hidden(nested, thing("Procedure"))


def test_an_exception_for_one_who_asks() -> None:
    nested = deny(permit(who="Practitioner/me"), types="Observation")
    assert not hidden(nested, lab())
    assert hidden(nested, lab(), who="you")
    beside = permit(nested, deny(types="Observation"))
    assert hidden(beside, lab()), "another exception withholds it from everybody"


def test_what_is_not_certain_opens_nothing() -> None:
    """Neither by itself, nor by a permit within it: nobody knows what it is within."""
    some = {"text": "some of it"}
    assert hidden(deny(permit(types="Observation", code=[some])), lab())
    assert hidden(deny(deny(permit(types="Observation"), code=[some])), lab())
    assert hidden(deny(permit(permit(types="Observation"), code=[some])), lab())
    unclear = deny(permit(codes=[(LOINC, "718-7")]), types="Observation")
    assert not hidden(unclear, lab())
    assert hidden(unclear, thing("Observation", code={"text": "Hb"}))
    assert hidden(unclear, lab("x", component=[{"code": {"coding": [{"code": "718-7"}]}}]))


def test_a_condition_that_is_not_understood_withholds_what_the_others_name() -> None:
    some = deny(types="Observation", code=[{"text": "some of it"}])
    assert hidden(some, lab())
    assert not hidden(some, thing("Condition"))


def test_a_permit_by_class_opens_no_label() -> None:
    said = consent_facts(
        [consent(permit(types="Observation", labels="HIV"))],
        asking(),
        Purpose.TREATMENT,
        NOW,
        ("p",),
    )
    assert said.permitted == frozenset()


def test_labels_of_the_person_stay_closed_beside_what_is_open_by_class() -> None:
    said = consent_facts(
        [consent(deny(permit(types="Observation"), labels="VIP HIV"))],
        frozenset(),
        Purpose.TREATMENT,
        NOW,
        ("p",),
    )
    assert said.denied == {"VIP"}
    assert withholds(said.withheld, "p", thing("Condition"), BIT[Label.HIV])
    assert not withholds(said.withheld, "p", lab(), BIT[Label.HIV])


def test_who_somebody_is() -> None:
    def said(root: Any) -> bool:
        found = consent_facts([consent(root)], asking(), Purpose.TREATMENT, NOW, ("p", "q"))
        return hides_patient(found.withheld, ("q",))

    assert said(deny(permit(types="Observation")))
    assert not said(deny(types="Observation"))
    assert not said(deny(dataPeriod={"end": "2020"}))


def test_references_to_what_is_withheld_go_and_leave_nothing() -> None:
    report = thing(
        "DiagnosticReport",
        subject={"reference": "Patient/p"},
        result=[{"reference": "Observation/1", "display": "HIV"}, {"reference": "Observation/2"}],
        basedOn=[{"reference": "Observation/1"}],
        extension=[{"url": "x", "valueReference": {"reference": "Observation/1"}}],
        nothing=[],
    )
    left = without_references(report, {"Observation/1"}.__contains__)
    assert left == {
        "resourceType": "DiagnosticReport",
        "id": "1",
        "subject": {"reference": "Patient/p"},
        "result": [{"reference": "Observation/2"}],
        "extension": [{"url": "x"}],
        "nothing": [],
    }


# Any tree, against the rules of R4 read literally

_TYPES = ("Observation", "Condition", "Encounter")
_LABELS = (Label.HIV, Label.PSY)


def coded(some: Sequence[str]) -> st.SearchStrategy[list[dict[str, str]]]:
    one = st.sampled_from(some).map(lambda c: {"code": str(c)})
    return st.lists(one, min_size=1, max_size=2)


_TREES = st.recursive(
    st.builds(lambda kind: {"type": kind}, st.sampled_from(["permit", "deny"])),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["permit", "deny"])},
        optional={
            "class": coded(_TYPES),
            "securityLabel": coded(_LABELS),
            "code": st.just([{"coding": [{"system": LOINC, "code": "718-7"}]}]),
            "actor": st.sampled_from(
                [[{"reference": {"reference": f"Practitioner/{w}"}}] for w in ("me", "you")]
            ),
            "provision": st.lists(inner, max_size=3),
        },
    ),
    max_leaves=8,
)  # fmt: skip


def literally(node: dict[str, Any], kind: str, label: str, code: str) -> str:
    """What a tree says of one coded thing with one label: '' if it is not about it."""
    about = (
        kind in [c["code"] for c in node.get("class", [{"code": kind}])]
        and label in [c["code"] for c in node.get("securityLabel", [{"code": label}])]
        and ("code" not in node or code == "718-7")
        and "you" not in str(node.get("actor"))
    )
    if not about:
        return ""
    said = [literally(inner, kind, label, code) for inner in node.get("provision", ())]
    return "deny" if "deny" in said else "permit" if "permit" in said else str(node["type"])


@given(_TREES, st.sampled_from(_TYPES), st.sampled_from(["", "HIV", "PSY"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_tree_is_read_as_r4_says(
    tree: dict[str, Any], kind: str, label: str, named: bool
) -> None:
    code = "718-7" if named and kind != "Encounter" else "2345-7"
    coded = {} if kind == "Encounter" else {"code": {"coding": [{"system": LOINC, "code": code}]}}
    labels = [Label(label)] if label else []
    expected = literally(tree, kind, label, code) == "deny"
    assert hidden(tree, thing(kind, **coded), *labels) is expected
