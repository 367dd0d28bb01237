"""MLLP over the real store with fsync on: what was acknowledged survives kill -9 and outages."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support.ingest import Sender, frame, message, mllp_feed, msa, run, server, until

from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.guard import Guard, SystemClock
from chartloom.sources.mllp.framing import Framer
from chartloom.sources.send import SendOptions, send_mllp


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="chartloom-durable-"))
    running = EmbeddedPostgres(folder / "pg")
    running.start()
    yield running
    running.stop()
    shutil.rmtree(folder)


def _store(postgres: EmbeddedPostgres, keys: Path) -> PostgresStore:
    store = PostgresStore(postgres.dsn, Guard.open(keys, SystemClock()), SystemClock())
    store.migrate()
    return store


def _landed(postgres: EmbeddedPostgres) -> list[str]:
    """Control ids in the log, in position order."""
    with psycopg.connect(postgres.dsn) as conn:
        rows = conn.execute("SELECT control_id FROM landing ORDER BY position").fetchall()
    return [r[0] for r in rows]


class _Acknowledged:
    """Sends over raw connections and notes what was acknowledged, until the server is gone."""

    def __init__(self, port: int, prefix: str) -> None:
        self._port, self._prefix = port, prefix
        self.ids: list[list[str]] = []

    async def run(self, connections: int) -> None:
        await asyncio.gather(*(self._one(i) for i in range(connections)))

    async def _one(self, number: int) -> None:
        mine: list[str] = []
        self.ids.append(mine)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            feeding = asyncio.create_task(self._feed(number, writer))
            framer = Framer(100_000)
            while data := await reader.read(65536):
                framer.feed(data)
                while (answer := framer.next()) is not None:
                    code, control_id = msa(answer.body)
                    assert code in ("AA", "AR")  # AR: the dead one's transaction is still ending
                    if code == "AA":
                        mine.append(control_id)
        except OSError:
            pass
        finally:
            feeding.cancel()
            writer.close()

    async def _feed(self, number: int, writer: asyncio.StreamWriter) -> None:
        for i in range(1_000_000):
            writer.write(frame(message(f"{self._prefix}-{number}-{i:06}")))
            if i % 3 == 0:  # pipelined, but not without measure
                await writer.drain()
                await asyncio.sleep(0.0005)


def test_kill_9_of_the_ingest_process_loses_nothing_acknowledged(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    _store(postgres, keys).close()
    rng = random.Random(20261122)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    acknowledged: list[list[str]] = []
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ingest_process", postgres.dsn, str(keys)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        with process.stdout:
            port = int(process.stdout.readline())
        sender = _Acknowledged(port, f"K{round_}")
        delay_s = 0.3 + rng.random()

        async def main(sender: _Acknowledged = sender, delay_s: float = delay_s) -> None:
            sending = asyncio.create_task(sender.run(6))
            await asyncio.sleep(delay_s)
            process.send_signal(signal.SIGKILL)  # noqa: B023 - runs within this round
            await sending

        run(main)
        process.wait(10)
        acknowledged += sender.ids
    landed = _landed(postgres)
    assert sum(map(len, acknowledged)) > 100
    assert len(set(landed)) == len(landed)
    order = {control_id: n for n, control_id in enumerate(landed)}
    for ids in acknowledged:
        positions = [order[i] for i in ids]  # KeyError: acknowledged and lost
        assert positions == sorted(positions)


def test_kill_9_of_postgres_is_survived_and_senders_are_not_deceived(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    store = _store(postgres, tmp_path / "keys")
    ids = [f"S{i:04}" for i in range(600)]
    accepted: list[str] = []

    async def main() -> None:
        async with server([mllp_feed()], store, patience_s=0.2) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            sending = asyncio.create_task(
                send_mllp(
                    (message(i) for i in ids),
                    host,
                    port,
                    options=SendOptions(rate_per_s=300, retries=50),
                )
            )
            await until(lambda: ingest.stats["adt"].durable_count > 100)
            os.kill(postgres.pid, signal.SIGKILL)
            probe = await Sender.connect(ingest)
            # Sessions of a killed server go on until they notice; what they accept is durable.
            for n in range(1000):
                last = f"PROBE{n}"
                code, control_id = msa(await probe.ask(message(last)))
                assert control_id == last
                if code == "AR":
                    break
                assert code == "AA"
                accepted.append(last)
            assert code == "AR"
            postgres.stop()  # clears up after the dead server
            postgres.start()  # in this thread: the server dies with the thread that started it
            report = await sending
            assert report.is_complete
            assert report.accepted_count == len(ids)
            assert msa(await probe.ask(message(last))) == ("AA", last)
            accepted.append(last)

    run(main, timeout_s=120)
    store.close()
    landed = _landed(postgres)
    assert [i for i in landed if i.startswith("PROBE")] == accepted
    assert [i for i in landed if not i.startswith("PROBE")] == ids
