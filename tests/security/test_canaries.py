"""What patients are called and have stands nowhere but sealed: canaries in messages, then a search.

Messages of every type, sound and damaged, go through a site whose console is used by everybody;
then logs, metrics, addresses of pages, error pages, temporary files, environments, command lines
and the files of the store are searched for what stood in the messages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from prometheus_client import generate_latest
from tests.support.crossing import Attempt, Crossing
from tests.support.mutate import mutants
from tests.support.postgres import DSN_VARIABLE, StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import House, build, messages

#: Control ids stay in plain text by design, where they look like ones; all else is sealed.
CANARY = re.compile(rb"(?i)qz[ns]\d{3}(?!ctl|bad)")
DAMAGED = 150


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything that anybody logs, down to DEBUG."""
    path = tmp_path_factory.mktemp("logs") / "all.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield path
    root.removeHandler(handler)
    root.setLevel(before)
    handler.close()


@pytest.fixture(scope="module")
def used(
    postgres_server: Any, tmp_path_factory: pytest.TempPathFactory, log_file: Path
) -> Iterator[tuple[House, Crossing]]:
    """A house after sound and damaged messages, and after everybody looked around."""
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("canaries"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    house = build(site, 4)
    sound = [
        re.sub(rb"QZ.(\d+)ctl", rb"C\1K", text.encode())
        for p in house.patients
        for _, text in messages(p)
    ]
    rng = random.Random(5)
    for _, body in zip(range(DAMAGED), _damaged(sound), strict=False):
        site.land(rng.choice(("adt", "lab", "documents")), body)
    site.apply()
    crossing = Crossing(house, site.app())
    for subject in ("doctor-a", "engineer", "nobody", "officer"):
        some = list(crossing.requests(subject))
        crossing.random.shuffle(some)
        asyncio.run(crossing.try_all(some[:150]))
    yield house, crossing
    factory.close()


def _damaged(sound: list[bytes]) -> Iterator[bytes]:
    yield from (body for _, body in mutants(5, DAMAGED, tuple(sound)))


def test_messages_hold_canaries_and_pages_show_them_to_those_who_may(
    used: tuple[House, Crossing],
) -> None:
    house, crossing = used
    person = next(i for i, p in house.persons.items() if p.number == 1)
    ask = Attempt("doctor-a", "/chart/{person}", f"/chart/{person}")
    assert CANARY.search(asyncio.run(crossing.send(ask))[2])


def test_logs(used: tuple[House, Crossing], log_file: Path) -> None:
    text = log_file.read_bytes()
    assert CANARY.findall(text) == []


def test_metrics(used: tuple[House, Crossing]) -> None:
    status, _, text = asyncio.run(used[1].send(Attempt("engineer", "/metrics", "/metrics")))
    assert status == 200
    assert CANARY.findall(text + generate_latest()) == []


def test_addresses_and_error_pages(used: tuple[House, Crossing]) -> None:
    house, crossing = used
    person = next(i for i, p in house.persons.items() if p.number == 1)
    seen = 0
    for path in (f"/chart/{person}", f"/chart/{person}/timeline", f"/chart/{person}/results",
                 "/chart", "/me"):  # fmt: skip
        _, headers, page = asyncio.run(crossing.send(Attempt("doctor-a", path, path)))
        addresses = re.findall(rb'(?:href|action|src)="([^"]*)"', page)
        seen += len(addresses)
        assert [a for a in (*addresses, headers) if CANARY.search(a)] == []
    assert seen > 50
    form = (("field", "any"), ("value", house.patients[0].mrn))
    _, headers, _ = asyncio.run(
        crossing.send(Attempt("doctor-a", "/chart/find", "/chart/find", "POST", form))
    )
    assert b"location: " in headers
    assert not CANARY.search(headers)
    lost = asyncio.run(crossing.send(Attempt("nobody", "/chart", "/chart/QZN001fam")))
    assert lost[0] == 404
    assert not CANARY.search(lost[2])


def test_the_record_of_who_did_what(used: tuple[House, Crossing]) -> None:
    events = used[0].site.audit.events
    assert len(events) > 100
    assert [e for e in events if CANARY.search(bytes(e.body))] == []


def test_environments_and_command_lines(used: tuple[House, Crossing]) -> None:
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        said = " ".join((*process.cmdline(), *process.environ().values())).encode()
        assert not CANARY.search(said), process.pid


def test_files_of_the_store_and_temporary_files(
    used: tuple[House, Crossing], postgres_server: Any
) -> None:
    if os.environ.get(DSN_VARIABLE):
        pytest.skip("the files of a server that somebody else runs are out of reach")
    with psycopg.connect(postgres_server.dsn, autocommit=True) as conn:
        conn.execute("CHECKPOINT")
        (folder,) = conn.execute("SHOW data_directory").fetchone() or ("",)
    looked_at = _searched(Path(folder))
    assert looked_at > 50
    for path in Path(tempfile.gettempdir()).glob("chartloom*"):
        if path.stat().st_mtime >= psutil.Process().create_time():  # else of somebody before us
            _searched(path)


def _searched(folder: Path) -> int:
    """How many files were searched, none of which holds a canary."""
    files = [folder] if folder.is_file() else [f for f in folder.rglob("*") if f.is_file()]
    for file in files:
        try:
            data = file.read_bytes()
        except OSError:
            continue
        lower = data.lower()  # a plain search first: these files are large
        found = CANARY.search(data) if b"qzn" in lower or b"qzs" in lower else None
        near = data[max(0, found.start() - 60) : found.end() + 60] if found else b""
        assert found is None, (file, near)
    return len(files)
