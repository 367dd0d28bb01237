"""Messages that would turn a record into somebody else's are stopped, alike however they are cut
into batches, and whenever everything is derived again."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.hl7_examples import adt
from tests.support.memory_lanes import MemoryLanes

from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.identity import STEWARD
from chartloom.domain.ids import EXAMPLE_NAMESPACE, source_patient_id
from chartloom.domain.message import Format, Message
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.resource import LinkKind
from chartloom.hot import Worker
from chartloom.normalize import load_mapping
from chartloom.normalize.steward import word

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2)
GRANT = Grant("test", Purpose.OPERATIONS, EVERYONE, ("*",), 2**62, "g")
MAPPINGS = {"adt": (FEED, load_mapping("hl7v2")), "steward": (STEWARD, load_mapping("steward"))}
WHO = {n: source_patient_id(EXAMPLE_NAMESPACE, "adt", "HOSP", n) for n in ("1", "2")}
DAY_US = 86_400_000_000
START_US = 1_704_096_000_000_000  # 2024-01-01T08:00Z

JANE = {5: "MUELLER^JANE", 7: "19700101", 8: "F"}
JANE_MARRIED = {5: "HARPER^JANE", 7: "19700101", 8: "F"}
JANE_TYPO = {5: "MUELLER^JANE", 7: "19700110", 8: "F"}
PETER = {5: "KOVACS^PETER", 7: "19430317", 8: "M"}
MARIA = {5: "SANTOS^MARIA", 7: "19991231", 8: "F"}
#: Nobody asked them when they were born.
NEW_YEARS_JOHN = {5: "SMITH^JOHN", 7: "19800101", 8: "M"}
NEW_YEARS_ROSA = {5: "LOPEZ^ROSA", 7: "19800101", 8: "F"}
UNNAMED = {5: "", 7: "", 8: ""}


def said(position: int, number: str, who: dict[int, str], day: int = 0) -> Message:
    day = day or position
    body = adt("A08", f"m{position}", f"202401{day:02d}080000", patient=who, number=number)
    return message("adt", position, body, WHO[number])


def word_about(position: int, number: str, kind: LinkKind, by: str = "user:ada") -> Message:
    at_us = START_US + position * DAY_US
    body = word(kind, WHO[number], WHO[number], by=by, reason="other", said_us=at_us)
    return message("steward", position, body, WHO[number])


def message(feed: str, position: int, body: bytes, who: str) -> Message:
    at_us, digest = START_US + position * DAY_US, hashlib.sha256(body).digest()
    return Message(position, feed, body, at_us, digest, lane=0, source_patient=who)


def applied(log: list[Message], batch_max: int = 500) -> MemoryLanes:
    store = MemoryLanes()
    store.log = list(log)
    store_: Any = store
    worker = Worker(
        store_, MAPPINGS, EXAMPLE_NAMESPACE, FakeClock(), lambda: GRANT, "w", 4, batch_max
    )
    while worker.run_once():
        pass
    return store


def stopped(store: MemoryLanes) -> list[int]:
    return [p for p, d in sorted(store.derived.items()) if d.quarantine == IDENTITY_OVERLAY]


def family(store: MemoryLanes, number: str) -> str:
    return str(store.state(WHO[number]).resource["name"][0]["family"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_batches_do_not_matter(data: st.DataObject) -> None:
    people = st.sampled_from(
        [
            NEW_YEARS_JOHN,
            NEW_YEARS_ROSA,
            JANE,
            JANE,
            JANE_MARRIED,
            JANE_TYPO,
            PETER,
            PETER,
            MARIA,
            UNNAMED,
        ]
    )
    kinds = st.sampled_from([LinkKind.LINK, LinkKind.LINK, LinkKind.UNLINK, LinkKind.WITHDRAW])
    log = []
    for position in range(1, data.draw(st.integers(2, 12)) + 1):
        number = data.draw(st.sampled_from(["1", "1", "2"]))
        if data.draw(st.integers(0, 3)):
            day = data.draw(st.integers(1, 28))
            log.append(said(position, number, data.draw(people), day))
        else:
            by = data.draw(st.sampled_from(["user:ada", "user:ben"]))
            log.append(word_about(position, number, data.draw(kinds), by))
    whole = applied(log)
    for batch_max in (1, 2, 3, 5):
        cut = applied(log, batch_max)
        assert cut.states == whole.states
        assert stopped(cut) == stopped(whole)
        assert cut.views == whole.views


def test_somebody_else_is_stopped_and_nothing_of_it_is_believed() -> None:
    store = applied(
        [said(1, "1", JANE), said(2, "1", PETER), said(3, "1", JANE), said(4, "2", MARIA)]
    )
    assert stopped(store) == [2]
    assert store.derived[2].overlaid == (WHO["1"],)
    assert store.derived[2].contributions == ()
    assert family(store, "1") == "MUELLER"
    assert family(store, "2") == "SANTOS"


def test_honest_corrections_pass() -> None:
    log = [said(1, "1", JANE), said(2, "1", JANE_TYPO), said(3, "1", JANE_MARRIED)]
    log += [said(4, "1", UNNAMED), said(5, "1", JANE)]
    assert stopped(applied(log)) == []


def test_what_somebody_vouches_for_is_applied_and_later_messages_with_it() -> None:
    log = [said(1, "1", JANE), said(2, "1", PETER), word_about(3, "1", LinkKind.LINK)]
    log += [said(4, "1", PETER), said(5, "1", MARIA)]
    store = applied(log)
    assert stopped(store) == [5]
    assert family(store, "1") == "KOVACS"
    again = applied([*log, word_about(6, "1", LinkKind.LINK, "user:ben")])
    assert stopped(again) == []
    assert family(again, "1") == "SANTOS"


def test_somebody_else_stays_where_it_is() -> None:
    log = [said(1, "1", JANE), said(2, "1", PETER), word_about(3, "1", LinkKind.UNLINK)]
    store = applied([*log, said(4, "1", PETER)])
    assert stopped(store) == [2, 4]
    assert family(store, "1") == "MUELLER"


def test_an_older_message_about_somebody_else_is_stopped_too() -> None:
    store = applied([said(1, "1", JANE, day=20), said(2, "1", PETER, day=3)])
    assert stopped(store) == [2]


def test_somebody_else_with_the_same_made_up_birth_date_is_stopped() -> None:
    store = applied([said(1, "1", NEW_YEARS_JOHN), said(2, "1", NEW_YEARS_ROSA)])
    assert stopped(store) == [2]
    assert family(store, "1") == "SMITH"
