"""Sensitivity labels, care relations and labels of persons, through the real worker and store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import psycopg
import pytest
from tests.support.consents import WITHHELD
from tests.support.derive import FEED, MAPPING, PID, text

from chartloom.chart import summary
from chartloom.domain.access import KnownOfPerson, Relation, RelationKind
from chartloom.domain.chart import Section
from chartloom.domain.errors import LaneLost, NotFound, StoreDamaged
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.labels import BIT, Label
from chartloom.domain.message import Arrival, Format
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.care import labels_of_persons, patients_of, relations_of
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.hot import Worker
from chartloom.normalize import load_mapping

HIV, R, VIP = BIT[Label.HIV], BIT[Label.R], BIT[Label.VIP]
STAY = (
    "PV1|1|I|3W^301^A^HOSP||||1234^Smith^Jo^^^^^^NPI|||||||||VIP|||V1^^^HOSP"
    + "|" * 25
    + "20240105100000"
)
LAB = (
    "OBR|1||F1|LAB1^Serology^L|||20240105",
    "OBX|1|CE|56888-1^HIV Ag+Ab^LN||N^Negative^L",
    "OBX|2|NM|718-7^Hemoglobin^LN||13.2|g/dL",
)


def hear(store: PostgresStore, *bodies: bytes, feeds: Any = None) -> Worker:
    """Lands the messages and applies them as the hot path does."""
    peeked = [
        Arrival(
            feed=FEED.name,
            body=body,
            received_at_us=1_704_450_000_000_000 + n,
            sha256=hashlib.sha256(body).digest(),
            control_id=f"{n}-{hashlib.sha256(body).hexdigest()[:8]}",
            message_type="",
            source_patient="",
        )
        for n, body in enumerate(bodies)
    ]
    store.land(peeked)
    worker = Worker(
        store,
        feeds or {FEED.name: (FEED, MAPPING)},
        store.guard.namespace,
        store.clock,
        lambda: grant(store, "*"),
        "w",
        64,
    )
    with suppress(LaneLost):  # once, after a rebuild
        while worker.run_once():
            pass
    while worker.run_once():
        pass
    return worker


def grant(store: PostgresStore, *labels: str) -> Grant:
    return store.guard.mint("t", Purpose.TREATMENT, EVERYONE, labels)


@pytest.fixture
def told(store: PostgresStore) -> PostgresStore:
    hear(store, text("ADT^A01", PID, STAY), text("ORU^R01", PID, *LAB), b"nothing that is known")
    return store


def patient_of(store: PostgresStore) -> str:
    return store.recent_persons(grant(store, "*"))[0].source_patients[0]


def sections(store: PostgresStore, *labels: str) -> Any:
    return summary(store.sections(grant(store, *labels), [patient_of(store)]), 0).sections


def codes(store: PostgresStore, *labels: str) -> set[str]:
    line = store.timeline(grant(store, *labels), [patient_of(store)], [Section.RESULTS])
    return {p.state.resource["code"]["coding"][0]["code"] for p in line}


def test_a_grant_sees_what_its_labels_open(told: PostgresStore) -> None:
    for labels, total in (((), 1), (("PSY",), 1), (("HIV",), 2), (("*",), 2)):
        results = sections(told, *labels)["results"]
        assert results.total == total
        assert len(results.entries) == total
        assert codes(told, *labels) == ({"718-7", "56888-1"} if total == 2 else {"718-7"})
    (secret,) = [
        p.state
        for p in told.timeline(grant(told, "*"), [patient_of(told)], [Section.RESULTS])
        if p.labels
    ]
    assert secret.labels == HIV
    assert told.state(grant(told, "HIV"), secret.id) == secret
    with pytest.raises(NotFound):
        told.state(grant(told), secret.id)
    assert told.history(grant(told, "HIV"), secret.id)
    assert told.history(grant(told), secret.id) == []


def test_messages_are_as_sensitive_as_what_they_say(told: PostgresStore) -> None:
    def seen(*labels: str) -> set[int]:
        return {m.position for m in told.search(grant(told, *labels), MessageFilter())}

    stay, lab, broken = sorted(seen("*"))
    assert seen() == {stay}
    assert seen("HIV") == {stay, lab}
    assert seen("R") == {stay, broken}
    assert told.detail(grant(told, "HIV"), lab).resources
    for position, labels in ((lab, ()), (broken, ("HIV",))):
        with pytest.raises(NotFound):
            told.detail(grant(told, *labels), position)


def test_a_later_statement_without_a_label_takes_none_off(told: PostgresStore) -> None:
    corrected = (
        text("ORU^R01", PID, *LAB).replace(b"HIV Ag+Ab", b"Test 17").replace(b"|N^N", b"|P^P")
    )
    hear(told, corrected.replace(b"56888-1^", b"56888-1^").replace(b"M1|P", b"M2|P"))
    assert codes(told) == {"718-7"}
    assert sections(told, "HIV")["results"].total == 2


def test_who_takes_the_label_off_a_row_makes_it_unreadable(told: PostgresStore) -> None:
    patient = patient_of(told)
    with psycopg.connect(told.dsn, autocommit=True) as owner:
        owner.execute("UPDATE resource SET labels = 0 WHERE labels <> 0")
    with pytest.raises(StoreDamaged):
        told.timeline(grant(told), [patient], [Section.RESULTS])
    with psycopg.connect(told.dsn, autocommit=True) as owner:
        owner.execute("UPDATE view SET labels = 7 WHERE labels <> 0")
    with pytest.raises(StoreDamaged):
        told.sections(grant(told, "*"), [patient])


def related(store: PostgresStore, parents: dict[str, str]) -> Sequence[Relation]:
    with store.entered(grant(store, "*")) as conn:
        return relations_of(conn, [patient_of(store)], parents)


def test_care_follows_the_stay_and_goes_with_it(told: PostgresStore) -> None:
    found = related(told, {})
    attending = [r for r in found if r.kind is RelationKind.ATTENDING]
    (place,) = {r.who for r in found if r.kind is RelationKind.DEPARTMENT and r.end_us == 0}
    assert [r.start_us for r in attending] == [1_704_445_200_000_000]
    with told.entered(grant(told, "*")) as conn:
        labels = labels_of_persons(conn, [patient_of(told)])
        mine = patients_of(conn, ["ward"], {place: "ward"})
        late = patients_of(conn, [place], {}, until_us=1_704_000_000_000_000)
    assert labels == {patient_of(told): (VIP, HIV)}
    assert {(r.source_patient, r.who) for r in mine} == {(patient_of(told), "ward")}
    assert late == ()
    before = told.digest(grant(told, "*"))
    told.rebuild(grant(told, "*"))
    worker = hear(told)
    assert told.digest(grant(told, "*")) == before
    hear(told, text("ADT^A11", PID, STAY).replace(b"M1|P", b"M3|P"))
    assert related(told, {}) == (), "the stay never was"
    assert worker.run_once() == 0


def test_what_the_decision_reads(told: PostgresStore) -> None:
    facts, asking = PostgresFacts(told), grant(told, "*")
    patient = patient_of(told)
    known = facts.known_of(asking, patient)
    assert known.source_patients == (patient,)
    assert (known.person_labels, known.labels) == (VIP, VIP | HIV)
    directory = {r["id"]: r for r in facts.directory(asking)}
    (ward,) = [id for id, r in directory.items() if r.get("name") == "3W"]
    assert {r.who for r in known.relations} >= {ward}, "who is in a bed is on its ward"
    on_ward = facts.related_to(asking, [ward])
    assert {(r.source_patient, r.who) for r in on_ward} == {(patient, ward)}
    assert facts.known_of_all(asking, [patient]) == [known]
    assert facts.known_of(asking, "nobody") == KnownOfPerson()
    assert facts.holders(asking, ["HOSP|4711", "HOSP|1", "X|4711"]) == {patient}
    staffed = PostgresFacts(told, lambda: ["HOSP|4711"])
    assert staffed.known_of(asking, patient).person_labels == VIP | BIT[Label.EMP]
    assert staffed.known_of_all(asking, [patient])[0].labels == VIP | HIV | BIT[Label.EMP]
    assert facts.consents(asking, [patient]) == []
    entries = [{"resource": {"resourceType": "Patient", "id": "p"}}, {"resource": WITHHELD}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    clinic = msgspec.structs.replace(FEED, name="clinic", format=Format.FHIR)
    body = json.dumps(bundle).encode()
    sha = hashlib.sha256(body).digest()
    told.land([Arrival("clinic", body, 1_704_450_000_000_000, sha, "c1", "Bundle", "")])
    hear(told, feeds={"clinic": (clinic, load_mapping("fhir"))})
    (other,) = {h.source_patients[0] for h in told.recent_persons(asking)} - {patient}
    (found,) = facts.consents(asking, [patient, other])
    assert found.resource["patient"]["reference"] == f"Patient/{other}"
    assert found.resource["provision"]["type"] == "deny"
    assert (found.opens, found.anew) == (True, False)


def test_care_is_behind_row_level_security(told: PostgresStore) -> None:
    other = told.guard.mint("t", Purpose.TREATMENT, ["somebody-else"])
    with told.entered(other) as conn:
        assert conn.execute("SELECT count(*) FROM care").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM person_label").fetchone() == (0,)
