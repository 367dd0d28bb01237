"""While everything is derived anew, what was withheld before is withheld: with a real PostgreSQL.

The log says of one patient, in this order: who he is and a result that nobody labels; that the
result was an HIV test; that he is a celebrity; that his doctor no longer treats him; that he
withholds everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import msgspec
import psycopg
import pytest
from tests.contract.test_store_labels import STAY, grant
from tests.support.derive import FEED, MAPPING, PID, text

from chartloom.chart import summary
from chartloom.domain.chart import Section
from chartloom.domain.errors import LaneLost, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.labels import BIT, Label
from chartloom.domain.message import Arrival, Format
from chartloom.domain.store import MessageFilter
from chartloom.domain.withholding import DENY, Rule, Withholding
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.held import is_holding
from chartloom.engines.postgres.tidy import Retention
from chartloom.hot import Worker
from chartloom.normalize import load_mapping

HIV, VIP = BIT[Label.HIV], BIT[Label.VIP]
CLINIC = msgspec.structs.replace(FEED, name="clinic", format=Format.FHIR)
ORDINARY = STAY.replace("|VIP|", "||")
LAB = ("OBR|1||F1|LAB1^Serology^L|||20240105", "OBX|1|CE|X1^Test^L||N^Negative^L",
       "OBX|2|NM|718-7^Hemoglobin^LN||13.2|g/dL")  # fmt: skip
JUDGED = ("OBR|1||F1|LAB1^Serology^L|||20240105",
          "OBX|1|CE|X1^Test^L^56888-1^HIV Ag+Ab^LN||N^Negative^L")  # fmt: skip
HELD = ("held", "held_person", "held_label", "held_resource", "held_consent", "held_care",
        "held_number")  # fmt: skip
WHO = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:id:HOSP", "value": "4711", "type": {"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}],
}  # fmt: skip


def consent(kind: str = "deny", status: str = "active") -> bytes:
    """All or nothing of the patient's, as a FHIR feed says it; always the same Consent."""
    said = {
        "resourceType": "Consent", "id": "c", "status": status, "scope": {"text": "privacy"},
        "category": [{"text": "privacy"}], "patient": {"reference": "urn:uuid:" + "1" * 8},
        "policyRule": {"text": "said"}, "provision": {"type": kind},
    }  # fmt: skip
    if kind == "permit":
        act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
        said["provision"] = {"type": kind, "securityLabel": [{"system": act, "code": "HIV"}]}
    entries = [{"fullUrl": "urn:uuid:" + "1" * 8, "resource": WHO}, {"resource": said}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return json.dumps(bundle).encode()


EARLY = [text("ADT^A01", PID, ORDINARY), text("ORU^R01", PID, *LAB).replace(b"|M1|", b"|M2|")]
LATE = [
    text("ORU^R01", PID, *JUDGED).replace(b"|M1|", b"|M3|"),
    text("ADT^A08", PID, STAY).replace(b"|M1|", b"|M4|"),
    text("ADT^A11", PID, STAY).replace(b"|M1|", b"|M5|"),
]


class Log:
    """A store whose log is applied message by message."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.facts = store, PostgresFacts(store)
        feeds = {FEED.name: (FEED, MAPPING), "clinic": (CLINIC, load_mapping("fhir"))}
        self.worker = Worker(
            store, feeds, store.guard.namespace, store.clock, lambda: self.all, "w", 64, 1
        )

    @property
    def all(self) -> Grant:
        return grant(self.store, "*")

    def land(self, *bodies: bytes) -> None:
        for body in bodies:
            sha = hashlib.sha256(body).digest()
            feed = "clinic" if body.startswith(b"{") else FEED.name
            came = (1_704_450_000_000_000, sha, sha.hex()[:8], "", "")
            self.store.land([Arrival(feed, body, *came)])

    def apply(self, most: int = 1_000) -> None:
        done = 0
        while done < most:
            try:
                if (n := self.worker.run_once()) == 0:
                    return
            except LaneLost:
                continue
            done += n

    def hear(self, *bodies: bytes) -> None:
        self.land(*bodies)
        self.apply()

    def rebuild(self, most: int) -> None:
        self.store.rebuild(self.all)
        self.apply(most)

    def held(self) -> list[str]:
        with psycopg.connect(self.store.dsn) as conn:
            return [t for t in HELD if conn.execute(f"SELECT FROM {t} LIMIT 1").rowcount]


@pytest.fixture
def log(store: PostgresStore) -> Log:
    log = Log(store)
    log.hear(*EARLY, *LATE, consent())
    return log


def patient_of(store: PostgresStore) -> str:
    """As the hospital knows the patient, while there is a chart; the clinic has its own."""
    with psycopg.connect(store.dsn) as owner:
        row = owner.execute("SELECT source_patient FROM resource WHERE type = 'Encounter'")
        return str((row.fetchone() or ("",))[0])


def members(log: Log) -> list[str]:
    """Source patients of the one person that there is; the clinic names the authority its way."""
    with psycopg.connect(log.store.dsn) as owner:
        rows = owner.execute(
            "SELECT source_patient FROM person UNION SELECT source_patient FROM held_person"
        ).fetchall()
    return sorted(row[0] for row in rows)


def shown(log: Log, patient: str, *labels: str) -> tuple[set[str], set[str]]:
    """Codes of results that a line and the chart's view show to who has a grant for labels."""
    mine = log.store.guard.mint("t", Purpose.TREATMENT, [patient], labels)
    line = log.store.timeline(mine, [patient], [Section.RESULTS])
    codes = {p.state.resource["code"]["coding"][0]["code"] for p in line}
    found = summary(log.store.sections(mine, [patient]), 0).sections
    entries = found["results"].entries if "results" in found else []
    return codes, {str(e) for e in entries}


def test_labels_of_things_and_persons_hold_from_the_first_message_on(log: Log) -> None:
    patient = patient_of(log.store)
    before = log.facts.known_of(log.all, patient)
    assert (before.person_labels, before.labels) == (VIP, VIP | HIV)
    assert shown(log, patient)[0] == {"718-7"}
    (secret,) = [p.state.id for p in log.store.timeline(log.all, [patient]) if p.labels]
    for done in range(6):
        log.rebuild(done)
        assert log.store.made_anew(log.all)
        assert log.facts.known_of(log.all, patient) == before, f"after {done} messages"
        assert log.facts.known_of_all(log.all, [patient]) == [before]
        codes, entries = shown(log, patient)
        assert codes == ({"718-7"} if done > 1 else set())
        assert len(entries) <= 1
        assert not any("X1" in e or "Test" in e for e in entries), entries
        assert len(shown(log, patient, "HIV")[0]) == (2 if done > 1 else 0)
        with pytest.raises(NotFound):
            log.store.state(grant(log.store), secret)
    log.apply()
    assert shown(log, patient)[0] == {"718-7"}
    assert not log.store.made_anew(log.all)


def test_the_rows_themselves_are_closed_not_only_what_the_readers_ask_for(log: Log) -> None:
    patient = patient_of(log.store)
    log.rebuild(2)
    with log.store.entered(grant(log.store)) as conn:
        assert conn.execute("SELECT FROM resource WHERE labels = 0 AND series <> ''").rowcount == 1
        assert conn.execute("SELECT FROM view").rowcount == 0
    with log.store.entered(grant(log.store, "HIV")) as conn:
        assert conn.execute("SELECT FROM resource WHERE labels = 0 AND series <> ''").rowcount == 2
        assert conn.execute("SELECT FROM view").rowcount > 1
    other = log.store.guard.mint("t", Purpose.TREATMENT, ["somebody-else"])
    with log.store.entered(other) as conn:
        for table in HELD[1:]:
            assert conn.execute(f"SELECT FROM {table}").rowcount == 0
    assert patient


def test_a_relation_that_ended_later_grants_nothing_half_way(log: Log) -> None:
    patient = patient_of(log.store)
    assert log.facts.known_of(log.all, patient).relations == ()
    log.rebuild(1)
    with psycopg.connect(log.store.dsn) as owner:
        assert owner.execute("SELECT FROM care").rowcount > 0, "half way the stay is open"
    assert log.facts.known_of(log.all, patient).relations == ()
    assert log.facts.related_to(log.all, _everybody(log)) == []


def _everybody(log: Log) -> list[str]:
    with psycopg.connect(log.store.dsn) as owner:
        return [row[0] for row in owner.execute("SELECT DISTINCT who FROM care").fetchall()]


def test_relations_of_before_and_new_ones_go_on(store: PostgresStore) -> None:
    log = Log(store)
    log.hear(EARLY[0], EARLY[1])
    patient = patient_of(store)
    before = log.facts.known_of(log.all, patient).relations
    assert before
    who = _everybody(log)
    log.rebuild(0)
    assert log.facts.known_of(log.all, patient).relations == before
    assert {r.who for r in log.facts.related_to(log.all, who)} == set(who)
    log.land(text("ADT^A11", PID, STAY).replace(b"|M1|", b"|M8|"))  # told since it began
    log.apply()
    assert log.facts.known_of(log.all, patient).relations == ()


def consents(log: Log) -> list[tuple[str, bool, bool]]:
    found = log.facts.consents(log.all, members(log))
    return sorted((c.resource["provision"]["type"], c.opens, c.anew) for c in found)


def test_consents_hold_and_a_revoked_one_is_released_at_the_end(log: Log) -> None:
    def said() -> list[tuple[str, str, bool, bool]]:
        found = log.facts.consents(log.all, members(log))
        return [(c.resource["provision"]["type"], c.resource["status"], c.opens, c.anew)
                for c in found]  # fmt: skip

    assert said() == [("deny", "active", True, False)]
    log.rebuild(1)
    assert said() == [("deny", "active", True, True)]
    log.land(consent(status="inactive"))
    assert said() == [("deny", "active", True, True)]
    log.apply()
    assert said() == [("deny", "inactive", True, False)]


def test_what_an_earlier_consent_permitted_opens_nothing(store: PostgresStore) -> None:
    """Permitted first, denied later: half way only the permission is there."""
    log = Log(store)
    log.hear(EARLY[0], consent("permit"), consent("deny"))
    log.rebuild(2)
    assert consents(log) == [("deny", True, True), ("permit", False, True)]


def test_a_second_rebuild_during_the_first_holds_the_same(log: Log) -> None:
    patient = patient_of(log.store)
    before = log.facts.known_of(log.all, patient)
    for done in (1, 3, 0, 2):
        log.rebuild(done)
        assert log.facts.known_of(log.all, patient) == before
        assert ("deny", True, True) in consents(log)
        assert shown(log, patient)[0] <= {"718-7"}
    log.apply()
    assert log.facts.known_of(log.all, patient) == before
    assert consents(log) == [("deny", True, False)]


def test_what_was_said_between_two_rebuilds_is_held_too(store: PostgresStore) -> None:
    log = Log(store)
    log.hear(*EARLY, *(text("ADT^A08", PID).replace(b"|M1|", b"|N%d|" % n) for n in range(3)))
    patient = patient_of(store)
    log.rebuild(2)
    log.land(*LATE[:2], consent())
    log.apply(6)  # to the end of the log: the first rebuild is through, or nearly so
    log.rebuild(2)
    known = log.facts.known_of(log.all, patient)
    assert (known.person_labels, known.labels) == (VIP, VIP | HIV)
    assert ("deny", True, True) in consents(log)
    log.apply()
    assert log.facts.known_of(log.all, patient).labels == VIP | HIV


def test_a_new_process_knows_of_it_and_tidying_ends_it(log: Log, store: PostgresStore) -> None:
    """A worker killed half way, the store opened by others, housekeeping in between."""
    patient = patient_of(store)
    digest = store.digest(log.all)
    log.rebuild(2)
    store.tidy(Retention(), pause_s=0)
    assert set(log.held()) >= set(HELD) - {"held_care"}  # the stay never was
    other = PostgresStore(store.dsn, store.guard, store.clock, store.lanes)
    try:
        facts = PostgresFacts(other)
        assert facts.known_of(log.all, patient).labels == VIP | HIV
        assert [c.anew for c in facts.consents(log.all, members(log))] == [True]
        log.apply()
        assert facts.known_of(log.all, patient).labels == VIP | HIV
        assert [c.anew for c in facts.consents(log.all, members(log))] == [False]
        assert log.held()
        store.tidy(Retention(), pause_s=0)
        assert log.held() == []
        assert store.digest(log.all) == digest
    finally:
        other.close()


def test_nothing_is_emptied_unless_it_is_held(log: Log) -> None:
    """Both in one transaction: if the rebuild cannot begin, nothing is held and nothing gone."""
    digest = log.store.digest(log.all)
    with psycopg.connect(log.store.dsn) as owner:
        owner.execute("BEGIN")
        owner.execute("SELECT hold_facts()")
        owner.execute("TRUNCATE resource")
        owner.execute("ROLLBACK")
    assert log.held() == []
    assert log.store.digest(log.all) == digest


def test_who_was_one_person_stays_one_and_is_joined_with_nobody_else(log: Log) -> None:
    two = [PID.replace("4711", number).replace("Rivera", "Okafor").replace("Ana", "Bo")
           .replace("19800203", "19551231") for number in ("5001", "5002")]  # fmt: skip
    log.hear(
        text("ADT^A08", two[0]).replace(b"|M1|", b"|T1|"),
        text("ADT^A40", two[0], "MRG|5002^^^HOSP^MR").replace(b"|M1|", b"|T2|"),
    )
    (before,) = log.store.find_persons(log.all, "identifier", "5001")
    assert len(before.source_patients) == 2
    log.rebuild(0)
    for id in before.source_patients:
        assert log.store.person(log.all, id) == before
        assert log.facts.known_of(log.all, id).source_patients == before.source_patients
    _join(log, [patient_of_number(log), before.source_patients[0]])
    assert log.store.person(log.all, before.source_patients[0]) == before


def patient_of_number(log: Log) -> str:
    with psycopg.connect(log.store.dsn) as owner:
        row = owner.execute("SELECT source_patient FROM held_label").fetchone()
    assert row is not None
    return str(row[0])


def _join(log: Log, some: Sequence[str]) -> None:
    """As a word that was taken back later would, half way."""
    with psycopg.connect(log.store.dsn, autocommit=True) as owner:
        for id in some:
            owner.execute(
                "INSERT INTO person (source_patient, person_id) VALUES (%s, %s)", (id, some[0])
            )


def test_numbers_of_employees_are_known_before_they_are_told_again(log: Log) -> None:
    patient = patient_of(log.store)
    log.rebuild(0)
    staffed = PostgresFacts(log.store, lambda: ["HOSP|4711"])
    assert patient in staffed.holders(log.all, ["HOSP|4711"])
    assert staffed.known_of(log.all, patient).person_labels == VIP | BIT[Label.EMP]


def test_what_is_withheld_by_class_closes_all_of_the_patient(log: Log) -> None:
    patient = patient_of(log.store)
    rule = Withholding((patient,), "", (Rule(DENY, types=frozenset({"Immunization"}), fine=True),))
    mine = log.store.guard.mint("t", Purpose.TREATMENT, [patient], ("*",), withheld=(rule,))
    assert log.store.timeline(mine, [patient])
    assert log.store.sections(mine, [patient])
    log.rebuild(5)
    assert log.store.timeline(mine, [patient]) == []
    assert [v.total for v in log.store.sections(mine, [patient])] == []
    positions = [m.position for m in log.store.search(log.all, MessageFilter())]
    assert log.facts.messages_withheld(log.all, positions, (rule,)) == set(positions) - {6}
    log.apply()
    assert log.store.timeline(mine, [patient])


def test_whoever_asked_keeps_a_rebuild_from_beginning_until_the_end(log: Log) -> None:
    """By a lock, also when the statement was prepared long ago: what is asked next is of before."""
    mine = grant(log.store)
    for _ in range(12):
        with log.store.entered(mine) as conn:
            assert not is_holding(conn)
            locked = conn.execute(
                "SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'care'::regclass"
            ).rowcount
            assert locked == 1
