"""FHIR Consents as restrictions: what is withheld, what is opened, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asking import asking

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.formats.fhir.consents import doubts_of
from chartloom.guard.consent import ConsentFacts, consent_facts, while_anew

NOW = to_us("2024-06-15T12:00:00Z")
TREAT, RESEARCH, QUALITY = Purpose.TREATMENT, Purpose.RESEARCH, Purpose.QUALITY
ALL = frozenset({"*"})


def consent(provision: Any = None, rule: str = "", **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Consent", "id": "c", "status": "active", **more}
    if provision is not None:
        found["provision"] = provision
    if rule:
        found["policyRule"] = {"coding": [{"code": rule}]}
    return found


def labels(*codes: str) -> list[dict[str, str]]:
    return [{"code": c} for c in codes]


def actor(reference: str) -> list[dict[str, Any]]:
    return [{"role": {"text": "x"}, "reference": {"reference": reference}}]


def facts(*consents: Any, who: str = "me ward", purpose: Purpose = TREAT) -> ConsentFacts:
    return consent_facts(consents, asking(*who.split()), purpose, NOW)


def denied(*consents: Any, **asker: Any) -> set[str]:
    return set(facts(*consents, **asker).denied)


def deny(**conditions: Any) -> dict[str, Any]:
    return {"type": "deny", **conditions}


def permit(**conditions: Any) -> dict[str, Any]:
    return {"type": "permit", **conditions}


def test_no_consent_withholds_nothing() -> None:
    assert facts() == ConsentFacts()
    assert facts(consent()) == ConsentFacts()


def test_opt_out_and_in() -> None:
    assert denied(consent(rule="OPTOUT")) == ALL
    assert denied(consent(rule="OPTIN")) == set()
    assert facts(consent(rule="OPTIN")).permitted == set(), "a general consent opens no label"
    assert denied(consent(deny())) == ALL


@pytest.mark.parametrize(
    "status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"]
)
def test_only_active_ones(status: str) -> None:
    assert denied(consent(deny(), status=status)) == set()


def test_labels() -> None:
    assert denied(consent(deny(securityLabel=labels("HIV", "SUD")))) == {"HIV", "ETH"}
    assert len(denied(consent(deny(securityLabel=labels("R"))))) == 8
    opened = facts(consent(permit(securityLabel=labels("ETH"))))
    assert (opened.denied, opened.permitted) == (frozenset(), {"ETH"})


def test_actor() -> None:
    only_me = deny(actor=actor("Practitioner/me"))
    assert denied(consent(only_me)) == ALL
    assert denied(consent(only_me), who="you") == set()
    assert denied(consent(deny(actor=actor("Location/ward")))) == ALL
    assert denied(consent(deny(actor=actor("RelatedPerson/me")))) == set()
    assert denied(consent(permit(provision=[only_me]))) == ALL


def test_nobody_but() -> None:
    but_me = consent(deny(provision=[permit(actor=actor("Practitioner/me"))]))
    assert denied(but_me) == set()
    assert facts(but_me).permitted == set()
    assert denied(but_me, who="you") == ALL


def test_exception_of_an_exception() -> None:
    nested = consent(
        permit(
            provision=[
                deny(
                    securityLabel=labels("PSY", "HIV"),
                    provision=[
                        permit(actor=actor("Practitioner/me"), securityLabel=labels("PSY")),
                    ],
                )
            ]
        )
    )
    assert denied(nested) == {"HIV"}
    assert facts(nested).permitted == {"PSY"}
    assert denied(nested, who="you") == {"HIV", "PSY"}


def test_an_exception_reaches_no_further_than_what_it_excepts_from() -> None:
    nested = consent(
        deny(securityLabel=labels("PSY"), provision=[permit(securityLabel=labels("HIV"))])
    )
    assert facts(nested) == ConsentFacts(frozenset({"PSY"}))


def test_purpose() -> None:
    no_research = consent(permit(provision=[deny(purpose=[{"code": "HRESCH"}])]))
    assert denied(no_research) == set()
    assert denied(no_research, purpose=RESEARCH) == ALL
    no_operations = consent(deny(purpose=[{"code": "HOPERAT"}]))
    assert denied(no_operations, purpose=QUALITY) == ALL
    assert denied(consent(deny(purpose=[{"code": "HMARKT"}]))) == set()


def test_action_and_class() -> None:
    assert denied(consent(deny(action=[{"coding": [{"code": "correct"}]}]))) == set()
    assert denied(consent(deny(action=[{"coding": [{"code": "access"}]}]))) == ALL
    hidden = facts(consent(deny(**{"class": [{"code": "DocumentReference"}]})))
    assert (hidden.denied, len(hidden.withheld)) == (frozenset(), 1)
    document_kind = {"class": [{"code": "34133-9", "system": "http://loinc.org"}]}
    assert denied(consent(deny(**document_kind))) == ALL


def test_a_class_with_a_label_withholds_no_label_as_a_whole() -> None:
    only = deny(**{"class": [{"code": "Observation"}]}, securityLabel=labels("HIV"))
    assert (facts(consent(only)).denied, len(facts(consent(only)).withheld)) == (frozenset(), 1)
    assert denied(consent(deny(securityLabel=labels("PSY", "HIV")))) == {"PSY", "HIV"}


def test_exceptions_side_by_side_do_not_lift_each_other() -> None:
    """What one denial excepts for somebody, another one may withhold from everybody."""
    two = permit(
        provision=[
            deny(securityLabel=labels("PSY")),
            deny(securityLabel=labels("PSY"), provision=[permit(actor=actor("Practitioner/me"))]),
        ]
    )
    assert denied(consent(two)) == {"PSY"}


@pytest.mark.parametrize(
    ("start", "end", "deny_holds", "permit_holds"),
    [
        ("2024-06-01", "2024-06-30", True, True),
        ("2024-06-16T00:00:00Z", None, False, False),
        (None, "2024-06-15T11:59:59Z", False, False),
        (None, "2024-06-15T12:00:00Z", True, True),
        ("2024-06-15", None, True, False),
        (None, "2024-06-15", True, False),
        (None, "2024-06", True, False),
        (None, "2024-06-12", False, False),
        ("2025", None, False, False),
        ("soon", None, True, False),
    ],
)
def test_period(start: str | None, end: str | None, deny_holds: bool, permit_holds: bool) -> None:
    period = {k: v for k, v in (("start", start), ("end", end)) if v}
    assert denied(consent(deny(period=period))) == (ALL if deny_holds else set())
    but = consent(deny(provision=[permit(period=period)]))
    assert denied(but) == (set() if permit_holds else ALL)


@pytest.mark.parametrize(
    "odd",
    [
        {"actor": [{"role": {"text": "my neighbour"}}]},
        {"actor": actor("#contained")},
        {"actor": actor("Group/staff")},
        {"actor": actor("https://elsewhere.example/Practitioner/x")},
        {"purpose": [{"code": "NEWPURPOSE"}]},
        {"action": [{"text": "gossip"}]},
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {"securityLabel": labels("NEWLABEL")},
        {"code": [{"text": "blood count"}]},
        {"code": []},
        {"data": [{"meaning": "related", "reference": {"reference": "Observation/1"}}]},
        {"data": [{"meaning": "instance", "reference": {"reference": "urn:uuid:1"}}]},
        {"dataPeriod": {"start": "then"}},
        {"dataPeriod": {}},
        {"class": [{"code": "Patient"}]},
        {"class": [{"code": "Observation"}, {"code": "34133-9", "system": "http://loinc.org"}]},
        {"class": [{"code": "observation"}]},
        {"securityContext": {}},
    ],
)
def test_not_understood_withholds_and_never_opens(odd: dict[str, Any]) -> None:
    assert denied(consent(deny(**odd))) == ALL
    assert denied(consent(permit(provision=[deny(**odd)]))) == ALL
    assert denied(consent(deny(provision=[permit(**odd)]))) == ALL
    opened = facts(consent(permit(**({"securityLabel": labels("ETH")} | odd))))
    assert opened.permitted == set()


@pytest.mark.parametrize(
    "broken",
    [
        consent("deny"),
        consent({"type": "allow"}),
        consent(permit(provision="x")),
        consent(permit(provision=[3])),
        consent(permit(), modifierExtension=[{}]),
        consent(permit(actor={"reference": "x"})),
    ],
)
def test_unreadable_withholds_everything(broken: Any) -> None:
    assert facts(broken) == ConsentFacts(ALL)


def test_scope() -> None:
    def scoped(code: str, **more: str) -> Any:
        return consent(deny(), scope={"coding": [{"code": code, **more}]})

    known = "http://terminology.hl7.org/CodeSystem/consentscope"
    assert denied(scoped("treatment", system=known)) == set()
    assert denied(scoped("treatment", system="urn:house")) == ALL  # whatever it means there

    assert (
        denied(scoped("adr")) == denied(scoped("treatment")) == denied(scoped("research")) == set()
    )
    assert denied(scoped("research"), purpose=RESEARCH) == ALL
    assert denied(scoped("patient-privacy")) == denied(scoped("something")) == ALL


@pytest.mark.parametrize(
    ("start", "end", "hidden"),
    [
        ("2026-12-31", "2026-01-01", True),  # nobody can say what was meant
        ("2026-01-01", "2026-01-01", False),  # long ago
        ("2030", "2020", True),
        ("2020", "2020-06", False),
    ],
)
def test_a_period_that_ends_before_it_begins_denies(start: str, end: str, hidden: bool) -> None:
    said = consent(deny(period={"start": start, "end": end}))
    assert denied(said) == (ALL if hidden else set())


def test_a_time_of_data_that_ends_before_it_begins_is_said_and_denies() -> None:
    wrong = deny(dataPeriod={"start": "2026-12-31", "end": "2026-01-01"})
    assert denied(consent(wrong)) == ALL
    assert doubts_of(consent(wrong)) == ["/provision/dataPeriod"]
    assert doubts_of(consent(deny(dataPeriod={"start": "2026", "end": "2026"}))) == []


def test_strictest_of_several() -> None:
    opens = consent(permit(securityLabel=labels("ETH", "HIV")))
    closes = consent(deny(securityLabel=labels("HIV")))
    both = facts(opens, closes)
    assert both == facts(closes, opens)
    assert (both.denied, both.permitted) == ({"HIV"}, {"ETH"})


_NODES = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["permit", "deny"])}),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["permit", "deny"])},
        optional={
            "securityLabel": st.lists(
                st.sampled_from(labels("HIV", "ETH", "R", "odd")), max_size=2
            ),
            "actor": st.sampled_from([actor("Practitioner/me"), actor("Practitioner/you"), []]),
            "purpose": st.lists(st.sampled_from(labels("TREAT", "HRESCH", "odd")), max_size=2),
            "class": st.just([{"code": "Observation"}]),
            "code": st.just([{}]),
            "provision": st.lists(inner, max_size=3),
        },
    ),
    max_leaves=8,
)


@given(st.lists(_NODES, max_size=3), _NODES)
@settings(max_examples=150)
def test_one_more_consent_never_opens_what_was_withheld(before: list[Any], more: Any) -> None:
    few = facts(*(consent(p) for p in before))
    many = facts(*(consent(p) for p in before), consent(more))
    assert "*" in many.denied or few.denied <= many.denied
    assert "*" in many.denied or set(few.withheld) <= set(many.withheld)
    assert not many.denied & many.permitted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda i: (
            st.lists(i, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "actor", "period", "provision", "class", "purpose", "start", "code"]
                ),
                i,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
@settings(max_examples=150)
def test_any_json_is_judged(anything: Any) -> None:
    facts({"resourceType": "Consent", "status": "active", "provision": anything})
    facts(
        {"resourceType": "Consent", "status": "active", "scope": anything, "policyRule": anything}
    )


def test_while_everything_is_derived_anew_the_stricter_wins() -> None:
    """A permit that is only half told opens nothing; a class that is withheld closes all."""
    opened, closed = (
        consent(permit(securityLabel=labels("HIV", "ETH"))),
        consent(deny(securityLabel=labels("HIV"))),
    )
    said = facts(opened, closed)
    assert while_anew(said, facts(opened)).permitted == {"ETH"}
    assert while_anew(said, facts()).permitted == frozenset()
    assert while_anew(said, facts()).denied == {"HIV"}
    by_class = facts(consent(deny(**{"class": [{"code": "Observation"}]})), opened)
    strict = while_anew(by_class, facts(opened))
    assert (strict.denied, strict.permitted) == (ALL, frozenset())
    assert strict.withheld == by_class.withheld != ()
