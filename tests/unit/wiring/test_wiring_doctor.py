"""The doctor on sites that are broken: it says what, and makes nothing worse."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import pytest

from chartloom.project import load_project, write_site
from chartloom.wiring.doctor import Result, examine
from chartloom.wiring.logs import JsonFormatter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = tmp_path / "site"
    write_site(site, name="North")
    for file in (site / "feeds").glob("*.toml"):
        if file.stem != "adt":
            file.unlink()
    adt = site / "feeds" / "adt.toml"
    adt.write_text(adt.read_text().replace("port = 26610", f"port = {port}"))
    return site


def results(folder: Path) -> dict[str, Result]:
    return {result.check: result for result in examine(folder)}


def test_what_check_would_find_is_not_in_order(folder: Path) -> None:
    assert results(folder)["site folder"].ok
    adt = folder / "feeds" / "adt.toml"
    adt.write_text(
        adt.read_text().replace("# tls_cert", "tls_cert").replace("# tls_key", "tls_key")
    )
    assert not results(folder)["site folder"].ok


def test_lost_keys_are_named_and_no_new_ones_made(folder: Path) -> None:
    project = load_project(folder)
    (project.data_dir / "postgres").mkdir(parents=True)
    (project.data_dir / "postgres" / "database.made").touch()
    found = results(folder)
    assert not found["keys"].ok
    assert "copy" in found["keys"].cure
    assert "store" not in found
    assert not project.key_dir.exists()


def test_a_port_taken_by_somebody_else_is_not_in_order(folder: Path) -> None:
    [feed] = load_project(folder).feeds
    with socket.create_server(("127.0.0.1", int(feed.options["port"]))):
        found = results(folder)["feed adt"]
    assert not found.ok
    assert "in use" in found.seen
    assert "Another program" in found.cure


@pytest.mark.parametrize(
    ("ago_s", "level", "seen"), [(5, 50, True), (3600, 50, False), (5, 40, False)]
)
def test_a_worker_that_stops_over_the_store_is_named(
    folder: Path, ago_s: int, level: int, seen: bool
) -> None:
    log = load_project(folder).data_dir / "log" / "worker-1.log"
    log.parent.mkdir(parents=True)
    record = logging.LogRecord("chartloom.hot", level, "", 0, "it stops", None, None)
    record.created = time.time() - ago_s
    record.chartloom = {"sqlstate": "42501"}
    log.write_text(JsonFormatter("worker-1").format(record) + "\nnot JSON\n")
    found = results(folder).get("worker-1")
    assert (found is not None) == seen
    if found is not None:
        assert not found.ok
        assert "42501" in found.seen
