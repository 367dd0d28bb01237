"""The simulated hospital: the same from the same seed, and coherent in itself."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.support.simulated import rough_hospital, rough_run

from chartloom.simulate import CLEAN, FEEDS, Hospital
from chartloom.simulate.catalog import PANELS, TESTS
from chartloom.simulate.times import DAY, HOUR, MINUTE, SECOND
from chartloom.simulate.truth import PersonTruth


def _digest(house: Hospital, count: int) -> str:
    h = hashlib.sha256()
    for m in itertools.islice(house.messages(), count):
        h.update(f"{m.feed} {m.at_us} {m.control_id} {m.truth_ref}".encode() + m.body)
    return h.hexdigest()


def test_same_seed_gives_identical_bytes() -> None:
    assert _digest(Hospital(3, patients=30), 1500) == _digest(Hospital(3, patients=30), 1500)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_bytes_do_not_depend_on_the_process(hash_seed: str) -> None:
    """String hashing differs between processes; the order of sets must not matter."""
    code = (
        "import hashlib, itertools\n"
        "from chartloom.simulate import Hospital\n"
        "h = hashlib.sha256()\n"
        "for m in itertools.islice(Hospital(3, patients=30).messages(), 1500):\n"
        "    h.update(f'{m.feed} {m.at_us} {m.control_id} {m.truth_ref}'.encode() + m.body)\n"
        "print(h.hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == _digest(Hospital(3, patients=30), 1500)


def test_other_seed_gives_another_hospital() -> None:
    assert _digest(Hospital(3, patients=10), 200) != _digest(Hospital(4, patients=10), 200)


def test_truth_is_the_same_every_time() -> None:
    house = rough_hospital()
    assert house.truth(days=30) == rough_run()[1]


def test_a_person_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = Hospital(5, patients=10), Hospital(5, patients=40)
    assert few.people[:10] == many.people[:10]


def test_messages_are_sent_in_order_and_every_one_is_in_the_truth() -> None:
    messages, truth = rough_run()
    assert [m.at_us for m in messages] == sorted(m.at_us for m in messages)
    assert [m.truth_ref for m in messages] == [t.ref for t in truth.messages]
    assert len({m.truth_ref for m in messages}) == len(messages)


def test_every_feed_and_message_type_occurs() -> None:
    kinds = Counter(m.kind for m in rough_run()[0])
    adt = {f"ADT^A{n:02d}" for n in (1, 2, 3, 4, 5, 6, 8, 11, 12, 13, 28, 31, 40, 60)}
    other = {
        "ORU^R01", "ORM^O01", "OML^O21", "RDE^O11", "RDS^O13", "RAS^O17", "VXU^V04", "MDM^T02",
        "MDM^T08", "SIU^S12", "SIU^S13", "SIU^S14", "SIU^S15", "SIU^S26", "DFT^P03", "Bundle",
    }  # fmt: skip
    assert adt | other <= set(kinds)
    assert {m.feed for m in rough_run()[0]} == set(FEEDS)


def test_history_comes_before_the_present() -> None:
    house = rough_hospital()
    count = sum(1 for _ in house.messages(days=0))
    due = list(itertools.islice(house.live(speed=10.0), count + 20))
    assert all(d.due_s == 0.0 for d in due[: count - 50])
    later = [d for d in due if d.due_s > 0]
    assert later
    assert all(
        d.due_s == pytest.approx((d.message.at_us - house.start_us) / SECOND / 10) for d in later
    )


def test_live_never_sends_what_has_not_happened_yet() -> None:
    house = rough_hospital()
    now_us = house.start_us + 2 * HOUR
    for d in itertools.islice(house.live(speed=1000.0, now_us=now_us), 6000):
        assert now_us + d.due_s * SECOND >= d.message.at_us - 1


def test_a_second_run_goes_on_at_once_where_the_first_stopped() -> None:
    house = rough_hospital()
    sent = sum(1 for _ in house.messages(days=2))
    first = list(itertools.islice(house.live(speed=10.0), sent + 30))
    second = list(itertools.islice(house.live(speed=10.0, skip=sent), 30))
    assert [d.message for d in second] == [d.message for d in first[sent:]]
    stopped_us = max(d.message.at_us for d in first[:sent])
    assert [d.due_s for d in second] == pytest.approx(
        [max(d.message.at_us - stopped_us, 0) / SECOND / 10 for d in second]
    )


def test_bustle_changes_the_present_but_not_the_past() -> None:
    calm, busy = (Hospital(4, patients=40, history_days=60, bustle=b) for b in (1.0, 30.0))
    sent_calm, sent_busy = list(calm.messages(days=5)), list(busy.messages(days=5))
    past = sum(m.at_us < calm.start_us for m in sent_calm)
    assert sent_calm[:past] == sent_busy[:past]
    assert len(sent_busy) - past > 3 * (len(sent_calm) - past)


def persons() -> tuple[PersonTruth, ...]:
    return rough_run()[1].persons


def test_encounters_do_not_overlap_and_end_after_they_begin() -> None:
    seen = 0
    for p in persons():
        real = [e for e in p.encounters if e.status in ("in-progress", "finished")]
        for e in real:
            assert not e.end_us or e.end_us > e.start_us
            assert (e.status == "finished") == bool(e.end_us)
            assert all(s.start_us <= (s.end_us or s.start_us) for s in e.stays)
        ordered = sorted(real, key=lambda e: e.start_us)
        for a, b in itertools.pairwise(ordered):
            seen += 1
            assert a.end_us, "only the last may still be open"
            assert a.end_us <= b.start_us
    assert seen > 50


def test_results_follow_their_orders_after_a_plausible_time() -> None:
    seen = 0
    for p in persons():
        orders = {o.placer: o for o in p.orders}
        for r in p.results:
            assert r.observed_us < r.reported_us
            assert r.revisions[-1][1:] == (r.status, r.value)
            if r.placer:
                seen += 1
                order = orders[r.placer]
                assert order.at_us < r.observed_us
                longest_us = (PANELS[r.panel].turnaround[1] + 90) * MINUTE + 130 * HOUR
                assert r.reported_us - order.at_us < longest_us
    assert seen > 100


def test_flags_fit_the_values_but_for_the_intended_contradictions() -> None:
    wrong = total = 0
    for p in persons():
        for r in p.results:
            if r.feed == "lab" and r.test in TESTS:
                low, high = TESTS[r.test].low, TESTS[r.test].high
                outside = not low <= float(r.value) <= high
                total += outside
                wrong += outside and r.flag == "N"
                assert outside or r.flag == "N"
    assert 0 < wrong < total / 4


def test_vaccines_are_given_after_birth_and_visits_before_death() -> None:
    for p in persons():
        died_us = max((d.deceased_us for d in p.demographics), default=0)
        if died_us:
            assert all(e.start_us < died_us for e in p.encounters)
        born = p.person.demographics.birth_date
        assert all(i.occurrence[:4] >= born[:4] for i in p.immunizations)


def test_medications_end_in_every_way() -> None:
    endings = Counter(m.how_ended for p in persons() for m in p.medications)
    assert set(endings) == {"", "explicitly", "silently", "completed"}
    for p in persons():
        for m in p.medications:
            assert (m.status == "active") == (m.how_ended == "") == (m.end_us == 0)
            fills = [d.at_us for d in p.dispenses if d.order == m.order]
            assert not m.end_us or all(f <= m.end_us + DAY for f in fills)


def test_newborns_belong_to_mothers_who_deliver_then() -> None:
    truth = rough_run()[1]
    pairs = [p for p in truth.persons if p.person.mother >= 0 and p.encounters]
    assert pairs
    for baby in pairs:
        mother = truth.person(baby.person.mother)
        stay = next(e for e in mother.encounters if e.reason_code == "O80")
        assert stay.start_us <= baby.encounters[0].start_us + 3 * HOUR
        assert mother.person.child == baby.person.index


def test_second_records_are_merged_into_the_first() -> None:
    merged = [i for p in persons() for i in p.identifiers if i.merged_into]
    assert merged
    for i in merged:
        assert i.merged_us >= i.since_us
        assert i.merged_into.startswith("SIM0")


def test_a_clean_hospital_has_nothing_wrong_in_it() -> None:
    house = Hospital(2, patients=15, rates=CLEAN)
    truth = house.truth(days=5)
    assert {m.role for m in truth.messages} == {"original"}
    assert not any(m.flags for m in truth.messages)
    assert not any(r.status in "CW" for p in truth.persons for r in p.results)
    assert not any(m.how_ended == "silently" for p in truth.persons for m in p.medications)


def test_an_endless_simulation_has_no_final_truth() -> None:
    with pytest.raises(ValueError, match="days or until"):
        Hospital(1, patients=2).truth()


def test_exports(tmp_path: Path) -> None:
    house = Hospital(2, patients=3, history_days=40)
    count = house.write_messages(tmp_path / "messages", days=1)
    assert count == sum(1 for p in (tmp_path / "messages").rglob("*") if p.is_file())
    house.write_truth(tmp_path / "truth.json", days=1)
    written = json.loads((tmp_path / "truth.json").read_text())
    assert len(written["messages"]) == count
    assert written["persons"][0]["encounters"] is not None
