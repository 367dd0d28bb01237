"""Who may see what, decided over the real store and put on the real record: labels, celebrities,
consent and glass, end to end from the message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.contract.test_store_labels import LAB, STAY, hear
from tests.support.clock import FakeClock
from tests.support.consents import WITHHELD
from tests.support.derive import FEED, PID, text
from tests.support.postgres import StoreFactory

from chartloom.chart import summary
from chartloom.domain.access import GLASS_SUBJECT, Glass
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.ids import source_patient_id
from chartloom.domain.message import Arrival, Format
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.doors import PostgresGlass
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.guard.audit import Recorder, Seen, read_events
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need, Permit
from chartloom.guard.policy import Action, Policies, builtin_texts
from chartloom.guard.staff import Principal
from chartloom.normalize import load_mapping

TREAT, BTG = Purpose.TREATMENT, Purpose.BREAK_GLASS
ROLES = frozenset({"clinician"})
#: The attending physician of the stay, a nurse of its ward, and a physician of elsewhere.
ATTENDING = Principal("attending", roles=ROLES, practitioners=frozenset({"NPI|1234"}))
WARD = Principal("ward", roles=ROLES, departments=frozenset({"3W"}))
STRANGER = Principal("stranger", roles=ROLES, practitioners=frozenset({"NPI|9999"}))
ADMITTED_US = 1_704_448_800_000_000


class Doors:
    """Authority over the real store and the real record."""

    def __init__(self, store: PostgresStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.log = PostgresAuditLog(store.connector(Role.SERVE), store.guard)
        self.recorder = Recorder(self.log)
        self.glass = PostgresGlass(store)
        self.authority = Authority(
            Policies(builtin_texts()),
            PostgresFacts(store),
            self.glass,
            PostgresUses(store),
            store.guard,
            self.recorder,
            clock,
        )

    def chart(self, who: Principal, patient: str) -> Permit:
        need = Need(((Action.VIEW_CHART, TREAT),), person=patient, what=("chart/summary",))
        return self.authority.permit(who, need, Asking())

    def shown(self, who: Principal, patient: str) -> str:
        """All that the summary and the timeline hold, as text."""
        permit = self.chart(who, patient)
        views = permit.run(self.store.sections, permit.grant.persons)
        made = summary(views, self.clock.now_us())
        page = self.chart(who, patient).run(self.store.timeline, permit.grant.persons, (), 0, 100)
        totals = {name: s.total for name, s in made.sections.items()}
        entries = [s.entries for s in made.sections.values()]
        return json.dumps([totals, entries, [p.state.resource for p in page]], default=str)

    def since(self, size: int) -> list[Seen]:
        return list(read_events(self.log.read(size, 1000)))

    @property
    def size(self) -> int:
        return self.log.end().size

    def close(self) -> None:
        self.recorder.close()
        self.log.close()


@pytest.fixture
def doors(store_factory: StoreFactory) -> Iterator[Doors]:
    clock = FakeClock(ADMITTED_US)
    made = Doors(store_factory(clock=clock), clock)
    yield made
    made.close()


#: The same patient without being a celebrity, whom a ward may see.
PLAIN_STAY = STAY.replace("|VIP|", "||")
RESULTS = ("56888-1", "HIV Ag+Ab")


def land(doors: Doors, *bodies: bytes) -> None:
    """Lands messages about the one patient, as the sources do, and applies them."""
    store = doors.store
    patient = source_patient_id(store.guard.namespace, FEED.patient_namespace, "HOSP", "4711")
    for body in bodies:
        sha = hashlib.sha256(body).digest()
        store.land([Arrival(FEED.name, body, ADMITTED_US, sha, sha.hex()[:8], "", patient)])
    hear(store)


@pytest.fixture
def plain(doors: Doors) -> Doors:
    land(doors, text("ADT^A01", PID, PLAIN_STAY), text("ORU^R01", PID, *LAB))
    return doors


def patient_of(doors: Doors) -> str:
    grant = doors.store.guard.mint("t", Purpose.OPERATIONS)
    return doors.store.recent_persons(grant)[0].source_patients[0]


def refused(doors: Doors, who: Principal, patient: str) -> Seen:
    """The one event of a chart that does not open."""
    before = doors.size
    with pytest.raises(AccessDenied):
        doors.chart(who, patient)
    (event,) = doors.since(before)
    assert (event.actor, event.denied) == (who.subject, "denied")
    return event


def test_a_label_that_is_not_open_leaves_no_trace(plain: Doors) -> None:
    patient = patient_of(plain)
    before = plain.size
    everything, ward = plain.shown(ATTENDING, patient), plain.shown(WARD, patient)
    seen = [(e.actor, e.denied, e.patients) for e in plain.since(before)]
    assert seen == [(who, "", (patient,)) for who in ("attending", "ward") for _ in range(2)]
    assert all(word in everything for word in (*RESULTS, "718-7"))
    assert "718-7" in ward
    assert not [word for word in RESULTS if word in ward]
    assert (json.loads(everything)[0]["results"], json.loads(ward)[0]["results"]) == (2, 1)

    # Nor by the resource's id, its evidence, or the message that said it.
    asking = plain.store.guard.mint("t", Purpose.OPERATIONS)
    line = plain.store.timeline(asking, [patient], [], 0, 100)
    (secret,) = [p.state.id for p in line if p.labels and p.state.type == "Observation"]
    bare = plain.store.guard.mint("t", Purpose.OPERATIONS, labels=())
    hidden, open_ = (
        {row.position for row in plain.store.search(grant, MessageFilter())}
        for grant in (asking, bare)
    )
    (position,) = hidden - open_
    evidence = ((Action.VIEW_EVIDENCE, TREAT),)
    store = plain.store
    for need, nowhere, call, what in (
        (Need(evidence, resource=secret), Need(evidence, resource="x"), store.state, secret),
        (Need(evidence, position=position), Need(evidence, position=999), store.detail, position),
    ):
        assert plain.authority.permit(ATTENDING, need, Asking()).run(call, what)
        before = plain.size
        for asked in (need, nowhere):
            with pytest.raises((NotFound, AccessDenied)):
                plain.authority.permit(WARD, asked, Asking()).run(call, what)
        # On record it is denied, as what is not there is; only the privacy office sees about whom.
        hidden_one, absent = plain.since(before)
        assert (hidden_one.denied, absent.denied) == ("denied", "denied")
        assert (hidden_one.patients, absent.patients) == ((patient,), ())
        told = {"seq": 0, "at_us": 0, "patients": ()}
        replace = msgspec.structs.replace
        assert replace(hidden_one, **told) == replace(absent, **told)


def test_a_search_finds_whose_chart_would_open(plain: Doors) -> None:
    patient = patient_of(plain)
    need = Need(((Action.SEARCH_PERSONS, TREAT),), terms={"identifier": "4711"})
    for who, found in ((ATTENDING, {patient}), (WARD, {patient}), (STRANGER, set())):
        before = plain.size
        permit = plain.authority.permit(who, need, Asking())
        hits = permit.search(
            lambda hits: [p for h in hits for p in h.source_patients],
            plain.store.find_persons,
            "identifier",
            "4711",
        )
        assert {p for h in hits for p in h.source_patients} == found
        (event,) = plain.since(before)
        assert (event.actor, set(event.patients)) == (who.subject, found)
        assert "4711" not in str(event)
    refused(plain, STRANGER, patient)


def test_of_celebrities_a_ward_is_not_enough(doors: Doors) -> None:
    land(doors, text("ADT^A01", PID, STAY), text("ORU^R01", PID, *LAB))
    patient = patient_of(doors)
    assert refused(doors, WARD, patient).patients == (patient,)
    assert "718-7" in doors.shown(ATTENDING, patient)


def test_the_glass_opens_what_policy_says_and_for_its_time_only(plain: Doors) -> None:
    patient, now_us = patient_of(plain), plain.clock.now_us()
    refused(plain, STRANGER, patient)
    own = plain.store.guard.mint("service:glass", Purpose.OPERATIONS, (GLASS_SUBJECT,), ())
    plain.glass.add(
        own,
        Glass(
            id="g1",
            actor="stranger",
            source_patients=(patient,),
            reason="emergency",
            text="Found unconscious",
            started_us=now_us,
            until_us=now_us + 3_600_000_000,
        ),
    )
    permit = plain.chart(STRANGER, patient)
    assert permit.purpose is BTG
    assert "56888-1" in plain.shown(STRANGER, patient)
    refused(plain, ATTENDING_ELSEWHERE, patient)  # somebody else's glass
    (kept,) = plain.glass.list(own)
    assert kept.text == ""  # under a grant that does not cover the patient
    plain.clock.time_us += 3_600_000_001
    refused(plain, STRANGER, patient)


def test_broken_glass_outlives_what_was_written_about_a_shredded_person(plain: Doors) -> None:
    patient, now_us = patient_of(plain), plain.clock.now_us()
    own = plain.store.guard.mint("service:glass", Purpose.OPERATIONS, (GLASS_SUBJECT, patient), ())
    times = {"started_us": now_us, "until_us": now_us + 1_000_000}
    plain.glass.add(own, Glass("g1", "stranger", (patient,), "emergency", "Unconscious", **times))
    assert plain.glass.get(own, "g1").text == "Unconscious"
    broker = plain.store.guard.broker
    assert broker is not None
    broker.shred(patient, "staff-1", "patient-request")
    (kept,) = plain.glass.list(own)
    assert (kept.actor, kept.reason) == ("stranger", "emergency")
    assert "Unconscious" not in kept.text
    assert "destroyed" in kept.text
    assert plain.glass.review(own, "g1", "officer", "justified", now_us)


ATTENDING_ELSEWHERE = Principal("other", roles=ROLES, practitioners=frozenset({"NPI|8888"}))


def test_a_patient_who_withholds_consent_is_not_there(plain: Doors) -> None:
    patient = patient_of(plain)
    practitioner = {
        "resourceType": "Practitioner",
        "id": "d",
        "identifier": [{"system": "urn:id:NPI", "value": "1234"}],
    }
    person: dict[str, Any] = {
        "resourceType": "Patient",
        "id": "p",
        "generalPractitioner": [{"reference": "Practitioner/d"}],
    }
    clinic = msgspec.structs.replace(FEED, name="clinic", format=Format.FHIR)
    feeds = {"clinic": (clinic, load_mapping("fhir"))}

    def tell(*resources: dict[str, Any]) -> None:
        entries = [{"resource": r} for r in resources]
        body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
        sha = hashlib.sha256(body.encode()).digest()
        arrival = Arrival("clinic", body.encode(), ADMITTED_US, sha, sha.hex()[:8], "Bundle", "")
        plain.store.land([arrival])
        hear(plain.store, feeds=feeds)

    tell(person, practitioner)
    asking = plain.store.guard.mint("t", Purpose.OPERATIONS)
    (other,) = {h.source_patients[0] for h in plain.store.recent_persons(asking)} - {patient}
    doctor = Principal("doctor", roles=ROLES, practitioners=frozenset({"urn:id:NPI|1234"}))
    assert plain.chart(doctor, other).patients == (other,)
    tell(person, practitioner, WITHHELD)
    assert refused(plain, doctor, other).patients == (other,)
    assert plain.chart(ATTENDING, patient).patients == (patient,)  # of somebody else's consent
