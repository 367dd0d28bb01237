"""What the simulated systems write, and what happens to it on the way."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import msgspec
import pytest
from tests.support.simulated import ROUGH, rough_run

from chartloom.domain.message import Format
from chartloom.formats import hl7v2
from chartloom.simulate import FEEDS, MIX, SimMessage, traffic
from chartloom.simulate.catalog import TESTS
from chartloom.simulate.wire import strip
from chartloom.simulate.writer import NULL, Dialect, Writer, fold


def _tree(m: SimMessage) -> hl7v2.Tree:
    return hl7v2.parse(m.body, charset=FEEDS[m.feed].charset)


def test_every_message_parses_except_the_intended_garbage() -> None:
    messages, truth = rough_run()
    for m, t in zip(messages, truth.messages, strict=True):
        if m.format is Format.FHIR:
            if not t.must_quarantine:
                assert msgspec.json.decode(m.body)["resourceType"] == "Bundle"
            continue
        tree = _tree(m)
        unusable = tree.fatal or not tree.message_type
        assert unusable == t.must_quarantine, t
        assert hl7v2.serialise(tree) == m.body
        if not unusable and t.role != "cut-short":
            assert not tree.issues, (t, tree.issues)
            assert tree.control_id == m.control_id
            assert tree.message_type == m.kind


def test_fhir_garbage_is_not_json() -> None:
    messages, truth = rough_run()
    for m, t in zip(messages, truth.messages, strict=True):
        if m.format is Format.FHIR and t.must_quarantine:
            with pytest.raises(msgspec.DecodeError):
                msgspec.json.decode(m.body)


def test_messages_name_their_patient() -> None:
    messages, truth = rough_run()
    for m, t in zip(messages, truth.messages, strict=True):
        if m.format is Format.HL7V2 and t.role == "original":
            seen = hl7v2.peek(m.body, charset=FEEDS[m.feed].charset)
            own = truth.person(t.person).person
            assert seen.patient_identifier in (own.mrn, own.alias_mrn)
            assert seen.patient_authority == "SGH"


@pytest.mark.parametrize(
    ("role", "rate"),
    [("duplicate", ROUGH.duplicate), ("garbage", ROUGH.garbage), ("cut-header", ROUGH.cut_header)],
)
def test_accidents_happen_as_often_as_configured(role: str, rate: float) -> None:
    roles = Counter(t.role for t in rough_run()[1].messages)
    assert roles[role] / roles["original"] == pytest.approx(rate, rel=0.35)


@pytest.mark.parametrize(
    ("flag", "rate"), [("late", ROUGH.late), ("out-of-order", ROUGH.out_of_order)]
)
def test_delays_happen_as_often_as_configured(flag: str, rate: float) -> None:
    originals = [t for t in rough_run()[1].messages if t.role == "original"]
    share = sum(flag in t.flags for t in originals) / len(originals)
    assert share == pytest.approx(rate, rel=0.3)
    assert all(t.at_us > t.event_us for t in originals)


def test_duplicates_are_identical_and_conflicts_are_not() -> None:
    messages, truth = rough_run()
    by_ref = {m.truth_ref: m for m in messages}
    by_control: dict[tuple[str, str], list[SimMessage]] = defaultdict(list)
    conflicts = 0
    for m, t in zip(messages, truth.messages, strict=True):
        if t.role == "duplicate":
            assert by_ref[t.of].body == m.body
            assert by_ref[t.of].at_us < m.at_us
        elif not t.must_quarantine:
            by_control[m.feed, m.control_id].append(m)
            conflicts += "conflict" in t.flags
    shared = [ms for ms in by_control.values() if len(ms) > 1]
    assert all(len({m.body for m in ms}) == len(ms) for ms in shared)
    assert sum(len(ms) - 1 for ms in shared) == conflicts > 0


def test_times_of_a_patient_strictly_increase() -> None:
    last: dict[int, int] = {}
    originals = [t for t in rough_run()[1].messages if t.role == "original"]
    for t in sorted(originals, key=lambda t: t.event_us):
        assert last.get(t.person, 0) < t.event_us
        last[t.person] = t.event_us


def test_last_report_of_every_result_says_what_is_true() -> None:
    """Reads the laboratory's messages with nothing but the parser."""
    messages, truth = rough_run()
    said: dict[tuple[str, str], tuple[str, str, str]] = {}
    originals = [
        (t.event_us, m)
        for m, t in zip(messages, truth.messages, strict=True)
        if m.feed == "lab" and t.role == "original"
    ]
    for _, m in sorted(originals, key=lambda o: o[0]):
        tree = _tree(m)
        (obr,) = tree.segments_named("OBR")
        for obx in tree.segments_named("OBX"):
            if obx.value(2) == "NM":
                key = obr.value(3), obx.value(3)
                said[key] = obx.value(5), obx.value(11), obx.value(8)
    true = {
        (r.filler, r.test): (r.value, r.status, r.flag)
        for p in truth.persons
        for r in p.results
        if r.feed == "lab" and r.test in TESTS
    }
    assert said == true
    assert {status for _, status, _ in true.values()} >= {"F", "C", "W"}


def test_dialects_keep_their_habits() -> None:
    first: dict[str, bytes] = {}
    for m in rough_run()[0]:
        first.setdefault(m.feed, m.body)
    assert first["scheduling"].startswith(b"MSH|$%~*|")
    assert b"|2.3.1\r" in first["lab"]
    assert b"UNICODE UTF-8" in first["adt"]
    documents = [m.body for m in rough_run()[0] if m.feed == "documents"]
    assert any(b"|8859/1" in b for b in documents)
    assert any(b'||""|' in m.body for m in rough_run()[0] if m.feed == "adt")


class TestWriter:
    w = Writer(Dialect("A", "F", "2.5"))

    def test_escapes_every_delimiter(self) -> None:
        text = "a|b^c~d\\e&f\ng"
        written = self.w.text(text)
        assert written == "a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f\\.br\\g"
        assert hl7v2.unescape(written, hl7v2.DEFAULT) == text

    def test_values(self) -> None:
        segment = self.w.segment(
            "ZZZ", {1: 1, 2: NULL, 4: ("a", None, ("b", "c")), 5: [("x", "y"), "z"], 6: None}
        )
        assert segment == 'ZZZ|1|""||a^^b&c|x^y~z'

    def test_padding_and_stripping(self) -> None:
        w = Writer(Dialect("A", "F", "2.5", padded={"PID": 6}))
        assert w.segment("PID", {1: 1}) == "PID|1|||||"
        assert strip(b"MSH|^~\\&|||\rPID|1|||\r") == b"MSH|^~\\&|||\rPID|1\r"

    def test_charsets_that_cannot_hold_a_name(self) -> None:
        w = Writer(Dialect("A", "F", "2.5", charset="iso-8859-1"))
        assert w.encode(["PID|Nguyễn Wójcik"]) == b"PID|Nguyen Wojcik\r"
        assert fold("Łukasz Đặng Rømer") == "Lukasz Dang Romer"


class TestTraffic:
    def test_deterministic_unique_increasing(self) -> None:
        a, b = (list(traffic(5, 3000, patients=300)) for _ in range(2))
        assert a == b
        assert len({m.control_id for m in a}) == 3000
        assert all(x.event_us < y.event_us for x, y in itertools.pairwise(a))

    def test_parses_without_issues_and_follows_the_mix(self) -> None:
        messages = list(traffic(5, 4000))
        kinds = Counter(m.kind[:3] for m in messages)
        total = sum(MIX.values())
        for kind, share in MIX.items():
            assert kinds[kind] / 4000 == pytest.approx(share / total, abs=0.03)
        patients = set()
        for m in messages:
            tree = _tree(m)
            assert not tree.issues
            assert hl7v2.serialise(tree) == m.body
            patients.add(hl7v2.peek(m.body).patient_identifier)
        assert len(patients) > 800

    def test_sizes_are_realistic(self) -> None:
        sizes = defaultdict(list)
        for m in traffic(5, 4000):
            sizes[m.kind[:3]].append(len(m.body))
        assert 600 < sum(sizes["ADT"]) / len(sizes["ADT"]) < 1200
        results = [m.body.count(b"\rOBX|") for m in traffic(5, 4000) if m.kind == "ORU^R01"]
        assert min(results) == 1
        assert max(results) == 12

    def test_visits_open_before_they_close(self) -> None:
        open_visits: set[str] = set()
        for m in traffic(5, 5000, patients=50, mix={"ADT": 1}):
            visit = _tree(m).segments_named("PV1")[0].value(19)
            if m.kind == "ADT^A01":
                assert visit not in open_visits
                open_visits.add(visit)
            else:
                assert visit in open_visits
                if m.kind == "ADT^A03":
                    open_visits.remove(visit)
