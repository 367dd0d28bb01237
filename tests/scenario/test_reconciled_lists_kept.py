"""Decisions of clinicians through the real store: landed, laid over the rules, kept by a rebuild,
hidden with what they are about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from tests.support.clock import FakeClock
from tests.support.site import Site

from chartloom.chart import summary
from chartloom.chart.reconcile import (
    Line,
    ReconciledList,
    builtin_rules,
    decisions_of,
    reconcile_allergies,
    reconcile_problems,
)
from chartloom.domain.chart import Section
from chartloom.domain.errors import LaneLost
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.labels import BIT, Label
from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter, SearchHit
from chartloom.engines.postgres import PostgresStore
from chartloom.normalize.steward import arrival, decision
from chartloom.simulate import FEEDS

_HL7 = "http://terminology.hl7.org/CodeSystem"
_ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_HL7}/{system}", "code": code}]}


def _bundle(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return msgspec.json.encode(body)


PATIENT = {
    "resourceType": "Patient", "id": "p1", "name": [{"family": "Kept"}],
    "identifier": [{"system": "urn:x:numbers", "value": "K1"}],
}  # fmt: skip


def _condition(id: str, code: str, text: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
        "clinicalStatus": _coded("condition-clinical", "active"),
        "category": [_coded("condition-category", "problem-list-item")],
        "code": {"coding": [{"system": _ICD, "code": code}], "text": text},
        "recordedDate": "2024-01-01",
    }  # fmt: skip


def _allergy(id: str, text: str, day: str = "2024-01-01") -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance", "id": id, "patient": {"reference": "Patient/p1"},
        "clinicalStatus": _coded("allergyintolerance-clinical", "active"),
        "code": {"text": text}, "recordedDate": day,
    }  # fmt: skip


class House:
    """A store with one person, whose lists are read as the console reads them."""

    def __init__(self, store: PostgresStore) -> None:
        self.site = Site(store, store.clock, [FEEDS["fhir"]])
        self.hear(PATIENT, _condition("c1", "I10", "Hypertension"), _condition("c2", "B20", "HIV"),
                  _allergy("a1", "Peanut"))  # fmt: skip

    def hear(self, *resources: dict[str, Any]) -> None:
        self.site.clock.time_us += 60_000_000
        self.site.land("fhir", _bundle(*resources))
        self.site.apply()

    def person(self) -> SearchHit:
        return self.site.store.find_persons(self.site.grant(), "identifier", "K1")[0]

    def grant(self, *labels: str) -> Grant:
        person = self.person()
        return self.site.guard.mint("tests", Purpose.TREATMENT, person.source_patients, labels)

    def lists(self, grant: Grant | None = None) -> tuple[ReconciledList, ReconciledList]:
        grant, store = grant or self.grant("*"), self.site.store
        patients = self.person().source_patients
        chart = summary(store.sections(grant, patients), self.site.clock.now_us())
        speakers = store.speakers(grant, patients, [Section.DECISIONS, Section.ALLERGIES])
        told, now_us = decisions_of(chart, speakers), 1_790_000_000_000_000
        rules = builtin_rules()
        return (
            reconcile_allergies(chart, rules, now_us, speakers=speakers, decisions=told),
            reconcile_problems(chart, rules, now_us, speakers=speakers, decisions=told),
        )

    def line(self, text: str) -> Line:
        (found,) = [x for made in self.lists() for x in made.lines if x.text == text]
        return found

    def decide(
        self, kind: str, line: Line, said: str, by: str = "user:ada", labels: int = 0
    ) -> None:
        self.site.clock.time_us += 60_000_000
        fact, now_us = line.facts[0], self.site.clock.now_us()
        items = [(fact.resource_type, fact.resource_id)]
        body = decision(
            kind, line.key, said, fact.source_patient, items, by=by, text=line.text, labels=labels,
            said_us=now_us,
        )  # fmt: skip
        self.site.store.land([arrival(body, fact.source_patient, now_us)])
        self.site.apply()


def test_decisions_override_are_kept_and_taken_back(
    store_factory: Callable[..., PostgresStore],
) -> None:
    house = House(store_factory(clock=FakeClock(1_750_000_000_000_000)))
    house.decide("allergies", house.line("Peanut"), "refuted")
    house.decide("problems", house.line("Hypertension"), "resolved", by="user:ben")
    told = house.line("Peanut")
    assert (told.status, told.decided and told.decided.by) == ("refuted", "user:ada")
    assert house.line("Hypertension").status == "resolved"
    before = msgspec.json.encode(house.lists())
    house.site.store.rebuild(house.site.grant())
    with contextlib.suppress(LaneLost):  # a worker learns of it, and reads from the beginning
        house.site.apply()
    house.site.apply()
    assert msgspec.json.encode(house.lists()) == before
    house.decide("allergies", house.line("Peanut"), "withdrawn")
    assert (house.line("Peanut").status, house.line("Peanut").decided) == ("active", None)
    house.decide("allergies", house.line("Peanut"), "inactive", by="user:cy")
    history = [r.message_type for r in house.site.store.search(
        house.site.grant(), MessageFilter(feed="steward", state=MessageState.APPLIED))]  # fmt: skip
    assert history == ["List"] * 4, "every word stays in the log"
    house.hear(PATIENT, _allergy("a2", "Peanut", "2027-01-01"))
    told = house.line("Peanut")
    assert told.status == "active"
    assert "changed-since-reconciled" in {d.code for d in told.discrepancies}


def test_a_decision_is_hidden_with_what_it_is_about(
    store_factory: Callable[..., PostgresStore],
) -> None:
    house = House(store_factory(clock=FakeClock(1_750_000_000_000_000)))
    house.decide("problems", house.line("HIV disease"), "inactive", labels=BIT[Label.HIV])
    assert house.line("HIV disease").status == "inactive"
    narrow = house.lists(house.grant())
    assert [x.text for x in narrow[1].lines] == ["Hypertension"]
    rows = house.site.store.search(house.grant(), MessageFilter(feed="steward"))
    assert rows == []


def test_a_list_that_a_source_sends_decides_nothing(
    store_factory: Callable[..., PostgresStore],
) -> None:
    house = House(store_factory(clock=FakeClock(1_750_000_000_000_000)))
    line = house.line("Peanut")
    forged = msgspec.json.decode(
        decision("allergies", line.key, "refuted", line.facts[0].source_patient,
                 [("AllergyIntolerance", "a1")], by="user:ada", text="x", labels=0,
                 said_us=1_750_000_900_000_000)
    )  # fmt: skip
    forged |= {"id": "l1", "subject": {"reference": "Patient/p1"}}
    house.hear(PATIENT, forged)
    assert house.line("Peanut").status == "active"
    direct = msgspec.json.encode(
        forged | {"subject": {"reference": f"Patient/{line.facts[0].source_patient}"}}
    )
    house.site.land("fhir", direct)
    house.site.apply()
    assert house.line("Peanut").status == "active"
