"""The small parts of the sources: answers, templates, limits, batches, framing, codes, metrics."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.support.ingest import ListLanding, message, run, until

from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.message import Arrival, Format
from chartloom.formats.hl7v2 import acknowledge, peek
from chartloom.sources import FeedStats, GroupCommitter, events
from chartloom.sources.batches import unpack
from chartloom.sources.common import begin, land
from chartloom.sources.context import control_ids
from chartloom.sources.files.splitting import pieces
from chartloom.sources.limits import ByteBudget, TokenBucket
from chartloom.sources.mllp import answers
from chartloom.sources.mllp.framing import Framer
from chartloom.sources.stats import IngestCollector

NOW_US = 1_780_000_000_000_000


@pytest.mark.parametrize(
    "body",
    [
        message("A1"),
        message("", text="no control id"),
        message("X", accept="AL", application="AL"),
        b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|\xe4\xf6|P|2.3||||||8859/1\rPID|1\r",
        b"MSH#*~\\&#A#B#C#D#2026##ORU*R01#id 7#T#2.2\r",
        b"MSH|^~\\&|OwnControlIdOfThisAnswer7Q|B|C|D|2026||ADT^A01|OwnControlIdOfThisAnswer7Q|P|2.5\r",
        b"MSH|^~\\&\r",
    ],
)
def test_answers_from_templates_are_what_acknowledge_makes(body: bytes) -> None:
    ids = iter(["one", "two", "one", "two"])
    acknowledger = answers.Acknowledger(lambda: next(ids))
    seen = peek(body)
    for _ in range(2):  # the second comes from the template
        for code, answer in acknowledger.messages(seen, answers.ACCEPTED, NOW_US):
            own = answer.split(answer[3:4])[9].decode()
            assert answer == acknowledge(seen, code, control_id=own, now_us=NOW_US)


def test_templates_do_not_mix_up_senders() -> None:
    acknowledger = answers.Acknowledger(control_ids(NOW_US))
    bodies = [message(f"M{i}").replace(b"APP", b"APP%d" % (i % 3)) for i in range(9)]
    for i, body in enumerate(bodies):
        [(_, answer)] = acknowledger.messages(peek(body), answers.ACCEPTED, NOW_US)
        assert b"|APP%d|" % (i % 3) in answer
        assert b"MSA|AA|M%d\r" % i in answer


def test_templates_are_bounded_in_bytes() -> None:
    """What a sender writes into MSH is not kept beyond its answer."""
    acknowledger = answers.Acknowledger(control_ids(NOW_US))
    for i in range(3000):
        body = message(f"M{i}").replace(b"APP", b"APP%d" % i + b"x" * (1_000_000 if i < 5 else 1))
        [(_, answer)] = acknowledger.messages(peek(body), answers.ACCEPTED, NOW_US)
        assert b"MSA|AA|M%d\r" % i in answer
    kept = acknowledger._templates
    assert len(kept) <= 501
    assert sum(len(part) for made in kept.values() if made for part in made) < 1_000_000
    assert sum(len(part) for key in kept for part in key) < 1_000_000


def test_control_ids_are_short_and_unique() -> None:
    make = control_ids(NOW_US)
    ids = [make() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert max(map(len, ids)) <= 20


_REFUSALS = (events.OVERSIZE, events.MEMORY, events.RATE, events.STORE, events.FRAME_TIMEOUT)


def test_every_event_has_a_title_and_a_cure_and_every_refusal_a_text() -> None:
    for code in events.CODES:
        assert CATALOGUE[code.code] is code
        assert code.title
        assert code.cure
    for event in (*_REFUSALS, events.REFUSED):
        acknowledger = answers.Acknowledger(lambda: "1")
        answer = acknowledger.message(peek(message("A")), answers.refused(event), NOW_US)
        assert b"Nothing was kept" in answer or b"Not stored" in answer


def test_token_bucket() -> None:
    bucket = TokenBucket(10)
    assert sum(bucket.take(1, 0.0) for _ in range(30)) == 10
    assert sum(bucket.take(1, 0.5) for _ in range(30)) == 5
    assert bucket.take(50, 10.0)  # a batch larger than the burst passes a full bucket, once
    assert not bucket.take(1, 11.0)
    assert TokenBucket(0).take(10**6, 0.0)


def test_byte_budget() -> None:
    budget = ByteBudget(100)
    assert budget.change(0, 80)
    assert not budget.change(0, 30)
    assert budget.change(30, 0)
    assert budget.change(80, 0)
    assert budget.used_bytes == 0


def test_unpack_keeps_every_byte_but_the_envelope() -> None:
    assert unpack(message("A")) is None
    assert unpack(b"stray\r" + message("A")) is None  # one message: landed whole
    batch = unpack(b"BHS|^~\\&\r" + message("A") + b"junk\r" + message("B") + b"BTS|2\r")
    assert batch is not None
    assert b"".join(batch.bodies) == message("A") + b"junk\r" + message("B")
    assert batch.headers == [b"BHS|^~\\&"]


def test_a_lone_end_byte_settles_and_its_late_carriage_return_is_nothing() -> None:
    framer = Framer(100)
    framer.feed(b"\x0bMSH|A\x1c")
    assert framer.next() is None
    assert framer.awaits_end
    frame = framer.settle()
    assert frame is not None
    assert frame.body == b"MSH|A"
    framer.feed(b"\r\x0bMSH|B\x1c\r")
    second = framer.next()
    assert second is not None
    assert second.body == b"MSH|B"
    assert framer.events == {events.MISSING_CR: 1}
    assert framer.settle() is None


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_splitting_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("chartloom.sources.files.splitting.CHUNK_BYTES", chunk)
    bodies = [message(f"K{i}") for i in range(10)]
    data = b"FHS|^~\\&\r\n" + b"".join(bodies[:5]) + b"\r\n\r\n" + b"".join(bodies[5:]) + b"FTS|1"
    found = list(pieces(io.BytesIO(data), Format.HL7V2, 10_000, ndjson=False))
    assert [p.body for p in found] == bodies
    assert [data[p.offset : p.offset + len(p.body)] for p in found] == bodies


def test_metrics_hold_counts_and_no_values(tmp_path: Path) -> None:
    stats = FeedStats()
    stats.durable("landed", 100, NOW_US, NOW_US + 3000)
    stats.events[events.GARBAGE] += 2
    registry = CollectorRegistry()
    registry.register(IngestCollector({"adt": stats}))
    text = generate_latest(registry).decode()
    assert 'chartloom_ingest_messages_total{feed="adt",outcome="landed"} 1.0' in text
    assert (
        'chartloom_ingest_events_total{code="mllp-garbage-between-frames",feed="adt"} 2.0' in text
    )
    assert 'chartloom_ingest_durable_seconds_bucket{feed="adt",le="0.005"} 1.0' in text


def _arrival(i: int, size: int = 10) -> Arrival:
    return Arrival("f", bytes(size), i, i.to_bytes(32, "big"), str(i))


def test_arrivals_gather_while_a_group_is_landed() -> None:
    landing = ListLanding()

    async def main() -> None:
        committer = GroupCommitter(landing, group_max=50, patience_s=0)
        landing.gate.clear()
        first = begin(committer, _arrival(0))
        await until(landing.busy.is_set)
        rest = [begin(committer, _arrival(i)) for i in range(1, 121)]
        landing.gate.set()
        receipts = [await f for f in [first, *rest]]
        assert [r.position for r in receipts] == list(range(1, 122))
        await committer.close()

    run(main)
    assert landing.groups == [1, 50, 50, 20]


def test_a_group_waits_for_those_just_answered_and_no_longer() -> None:
    """Four senders with one message in flight each make groups of four, though they answer one
    after the other; a lone sender waits for nobody."""
    landing = ListLanding()

    async def sender(committer: GroupCommitter, k: int, count: int) -> None:
        for i in range(count):
            await land(committer, _arrival(100 * k + i))
            await asyncio.sleep(0.002 * k)

    async def main() -> None:
        committer = GroupCommitter(landing, gather_s=10)
        await sender(committer, 0, 20)
        assert landing.groups == [1] * 20
        landing.groups.clear()
        await asyncio.gather(*(sender(committer, k, 10) for k in range(4)))
        assert landing.groups == [4] * 10
        await committer.close()

    run(main)


def test_a_sender_that_stays_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    landing = ListLanding()

    async def main() -> None:
        loop, waits = asyncio.get_running_loop(), []
        later = loop.call_later
        note = lambda after_s, *call: waits.append(after_s) or later(after_s, *call)  # noqa: E731
        monkeypatch.setattr(loop, "call_later", note)
        committer = GroupCommitter(landing, gather_s=10)
        await asyncio.gather(*(land(committer, _arrival(i)) for i in range(4)))
        assert not waits
        committer._gather_s = 0.1
        await land(committer, _arrival(4))
        assert len(waits) == 1
        committer._gather_s = 10
        for i in range(5, 25):
            await land(committer, _arrival(i))
        assert len(waits) == 1
        await committer.close()

    run(main, "asyncio")
    assert landing.groups == [4, *[1] * 21]


def test_a_closing_committer_finishes_its_queue_and_gives_up_waiting_for_the_store() -> None:
    landing = ListLanding(down=True)

    async def main() -> None:
        committer = GroupCommitter(landing, patience_s=60)
        waiting = begin(committer, _arrival(1))
        await asyncio.sleep(0.05)
        await committer.close()
        with pytest.raises(StoreUnavailable):
            await waiting

    run(main)


def test_bytes_and_messages_bound_the_queue() -> None:
    landing = ListLanding()

    async def main() -> None:
        committer = GroupCommitter(landing, waiting_max=100, waiting_bytes_max=1000)
        landing.gate.clear()
        tasks = [asyncio.create_task(land(committer, _arrival(i, 400))) for i in range(20)]
        await until(lambda: committer.waiting_bytes >= 1200)
        await asyncio.sleep(0.05)  # for those that should not come
        assert committer.waiting_bytes == 1200
        landing.gate.set()
        await asyncio.gather(*tasks)
        assert committer.waiting_bytes == committer.waiting_count == 0
        await committer.close()

    run(main)
    assert sorted(int(a.control_id) for a in landing.arrivals) == list(range(20))


def test_one_group_at_a_time() -> None:
    active = threading.Semaphore(1)

    class Single(ListLanding):
        def land(self, arrivals):  # type: ignore[no-untyped-def]
            assert active.acquire(blocking=False)
            try:
                return super().land(arrivals)
            finally:
                active.release()

    async def main() -> None:
        committer = GroupCommitter(Single(), group_max=3, gather_s=0.001)
        await asyncio.gather(*(land(committer, _arrival(i)) for i in range(100)))
        assert committer.group_count >= 34
        await committer.close()

    run(main)
