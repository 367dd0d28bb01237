"""The watched folder: completeness, order, crashes, duplicates, and what cannot be taken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.support.ingest import ListLanding, message, run, server, until

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.message import Format
from chartloom.sources import events
from chartloom.sources.files.folder import Folder
from chartloom.sources.files.source import _read_ahead
from chartloom.sources.files.splitting import Piece


def files_feed(format_: Format = Format.HL7V2, size_max: int = 1024 * 1024, **options: Any) -> Feed:
    return Feed(
        "inbox",
        "D",
        "o@example.org",
        "files",
        format_,
        limits=FeedLimits(message_size_bytes_max=size_max),
        options={"folder": "inbox", "poll_s": 0.02, "settle_s": 0.1, **options},
    )


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def _watch(inbox: Path, feed: Feed, landing: ListLanding, *waited_for: str) -> dict[str, int]:
    """Runs the source until all of ``waited_for`` are there; the events it counted."""

    async def main() -> dict[str, int]:
        async with server([feed], landing, base=inbox.parent) as ingest:
            await until(lambda: all((inbox / name).exists() for name in waited_for))
            return dict(ingest.stats["inbox"].events)

    return run(main)


def test_files_are_landed_in_order_and_moved(inbox: Path) -> None:
    landing = ListLanding()
    for n, name in enumerate(("b.hl7", "a.hl7", "c.hl7")):
        path = inbox / name
        path.write_bytes(b"".join(message(f"{name}{i}") for i in range(3)))
        os.utime(path, (n, n))
    (inbox / "upload.tmp").write_bytes(message("T"))
    (inbox / ".hidden").write_bytes(message("H"))
    _watch(inbox, files_feed(), landing, "done/a.hl7", "done/b.hl7", "done/c.hl7")
    expected = [f"{name}{i}" for name in ("b.hl7", "a.hl7", "c.hl7") for i in range(3)]
    assert [a.control_id for a in landing.arrivals] == expected
    assert sorted(p.name for p in inbox.iterdir()) == [".hidden", "done", "failed", "upload.tmp"]


def test_a_file_is_left_alone_while_it_grows(inbox: Path) -> None:
    landing = ListLanding()
    path = inbox / "grow.hl7"

    async def main() -> None:
        # It rests for much longer than a busy machine keeps this from writing on.
        async with server([files_feed(settle_s=0.5)], landing, base=inbox.parent):
            with path.open("wb", buffering=0) as file:
                for i in range(10):
                    file.write(message(f"G{i}"))
                    await asyncio.sleep(0.04)
                    assert not landing.arrivals
            await until((inbox / "done" / "grow.hl7").exists)

    run(main)
    assert [a.control_id for a in landing.arrivals] == [f"G{i}" for i in range(10)]


def test_markers_decide_when_they_are_configured(inbox: Path) -> None:
    landing = ListLanding()
    (inbox / "a.hl7").write_bytes(message("A"))
    (inbox / "b.hl7").write_bytes(message("B"))
    (inbox / "b.hl7.ok").touch()
    (inbox / "gone.hl7.ok").touch()
    _watch(inbox, files_feed(marker=".ok", settle_s=3600), landing, "done/b.hl7")
    assert [a.control_id for a in landing.arrivals] == ["B"]
    assert sorted(p.name for p in inbox.iterdir()) == ["a.hl7", "done", "failed"]


def test_a_crash_between_landing_and_move_applies_nothing_twice(inbox: Path) -> None:
    landing = ListLanding()
    content = b"".join(message(f"C{i}") for i in range(5))
    (inbox / "c.hl7").write_bytes(content)
    _watch(inbox, files_feed(), landing, "done/c.hl7")
    (inbox / "done" / "c.hl7").rename(inbox / "c.hl7")  # as if the move had never happened
    _watch(inbox, files_feed(), landing, "done/c.hl7")
    assert len(landing.arrivals) == 5
    (inbox / "c.hl7").write_bytes(content + message("C5"))  # same name again, never overwritten
    _watch(inbox, files_feed(), landing, "done/c.2.hl7")
    assert len(landing.arrivals) == 6


def test_an_outage_leaves_the_file_until_the_store_is_back(inbox: Path) -> None:
    landing = ListLanding(down=True)
    (inbox / "o.hl7").write_bytes(message("O1") + message("O2"))

    async def main() -> None:
        async with server([files_feed()], landing, base=inbox.parent) as ingest:
            await until(lambda: ingest.stats["inbox"].events[events.STORE] >= 2)
            assert (inbox / "o.hl7").exists()
            landing.down = False
            await until((inbox / "done" / "o.hl7").exists)

    run(main)
    assert [a.control_id for a in landing.arrivals] == ["O1", "O2"]


def test_what_is_too_large_fails_with_a_reason_and_the_rest_is_landed(inbox: Path) -> None:
    landing = ListLanding()
    big = message("BIG", text="x" * 5000)
    (inbox / "m.hl7").write_bytes(message("A") + big + message("B"))
    counted = _watch(inbox, files_feed(size_max=2048), landing, "failed/m.hl7")
    assert [a.control_id for a in landing.arrivals] == ["A", "B"]
    reason = json.loads((inbox / "failed" / "m.hl7.reason").read_text())
    assert reason["code"] == events.OVERSIZE
    assert reason["offset"] == len(message("A"))
    assert reason["landed_count"] == 2
    assert counted[events.FILE_FAILED] == 1


def test_junk_is_landed_verbatim_and_the_file_fails(inbox: Path) -> None:
    landing = ListLanding()
    (inbox / "junk.hl7").write_bytes(b"\x89PNG not a message")
    (inbox / "empty.hl7").write_bytes(b"")
    _watch(inbox, files_feed(), landing, "failed/junk.hl7", "failed/empty.hl7")
    assert landing.bodies == [b"\x89PNG not a message"]


def test_huge_files_are_streamed(inbox: Path) -> None:
    """A file of many chunks, with messages across chunk borders, exactly once and in order."""
    landing = ListLanding()
    ids = [f"S{i}" for i in range(3000)]
    with (inbox / "huge.hl7").open("wb") as file:
        file.write(b"FHS|^~\\&\rBHS|^~\\&\r")
        for i in ids:
            file.write(message(i, text="t" * (len(i) * 300)))
        file.write(b"BTS|3000\rFTS|1\r")
    _watch(inbox, files_feed(), landing, "done/huge.hl7")
    assert [a.control_id for a in landing.arrivals] == ids
    assert landing.bodies == [message(i, text="t" * (len(i) * 300)) for i in ids]


def test_fhir_files_one_resource_or_one_per_line(inbox: Path) -> None:
    landing = ListLanding()
    patient = b'{"resourceType":"Patient"}'
    (inbox / "one.json").write_bytes(b'{\n"resourceType": "Bundle"\n}')
    (inbox / "many.ndjson").write_bytes(patient + b"\n\n" + b'{"resourceType":"Group"}\r\n')
    _watch(inbox, files_feed(Format.FHIR), landing, "done/one.json", "done/many.ndjson")
    assert sorted(a.message_type for a in landing.arrivals) == ["Bundle", "Group", "Patient"]


def test_a_file_that_cannot_be_read_does_not_hold_up_the_others(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = ListLanding()
    for n, name in enumerate(("locked.hl7", "next.hl7")):
        (inbox / name).write_bytes(message(name))
        os.utime(inbox / name, (n, n))
    really_open = Path.open

    def denied(self: Path, *args: Any, **kwargs: Any) -> Any:  # root may read everything
        if self.name == "locked.hl7":
            raise PermissionError(13, "Permission denied")
        return really_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    counted = _watch(inbox, files_feed(), landing, "done/next.hl7")
    assert [a.control_id for a in landing.arrivals] == ["next.hl7"]
    assert (inbox / "locked.hl7").exists()
    assert counted[events.FOLDER] >= 1


def test_a_file_that_cannot_be_moved_is_landed_once(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message without control id cannot be recognised when it comes again."""
    landing = ListLanding()
    (inbox / "a.hl7").write_bytes(message(""))
    really_rename, tries = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise OSError(30, "Read-only file system")
        return really_rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    _watch(inbox, files_feed(), landing, "done/a.hl7")
    assert len(tries) == 3
    assert len(landing.arrivals) == 1


def test_read_ahead_is_bounded_in_bytes() -> None:
    big, small = Piece(b"x" * 3_000_000, 0), Piece(b"y", 0)
    assert _read_ahead(iter([big] * 9)) == [big] * 2
    assert len(_read_ahead(iter([small] * 900))) == 64


def test_a_marker_seen_before_its_file_is_kept(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is not read in one moment: of two new names the later one may be seen alone."""
    (inbox / "a.hl7").write_bytes(b"x")
    (inbox / "a.hl7.done").touch()
    (inbox / "gone.hl7.done").touch()
    really_scan = os.scandir

    @contextlib.contextmanager
    def partial(path: Path) -> Any:
        with really_scan(path) as entries:
            yield [e for e in entries if e.name != "a.hl7"]

    monkeypatch.setattr(os, "scandir", partial)
    assert Folder(inbox, "*", 0, ".done").complete() == []
    assert sorted(p.name for p in inbox.iterdir()) == ["a.hl7", "a.hl7.done"]


def test_a_fhir_resource_changed_back_is_news(inbox: Path) -> None:
    landing = ListLanding()
    one, two = b'{"resourceType":"Patient","active":true}', b'{"resourceType":"Patient"}'
    for n, body in enumerate((one, two, one)):
        (inbox / f"{n}.json").write_bytes(body)
        os.utime(inbox / f"{n}.json", (n, n))
    _watch(inbox, files_feed(Format.FHIR), landing, "done/2.json")
    assert landing.bodies == [one, two, one]


def test_a_fhir_file_read_again_after_a_crash_is_recognised(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = ListLanding()
    line = b'{"resourceType":"Patient"}\n'
    (inbox / "many.ndjson").write_bytes(line * 3)
    really_rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda self, target: os.stat("/no/such/file"))

    async def until_landed() -> None:
        async with server([files_feed(Format.FHIR)], landing, base=inbox.parent):
            await until(lambda: len(landing.arrivals) == 3)

    run(until_landed)
    monkeypatch.setattr(Path, "rename", really_rename)
    _watch(inbox, files_feed(Format.FHIR), landing, "done/many.ndjson")
    assert landing.bodies == [line.strip()] * 3


def test_a_missing_folder_is_named_at_start(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="inbox"):
            await server([files_feed()], ListLanding(), base=tmp_path).start()

    run(main)
