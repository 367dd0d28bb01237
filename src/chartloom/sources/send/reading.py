"""Messages to send, from files and folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from chartloom.domain.errors import ConfigurationError, LimitExceeded
from chartloom.domain.message import Format
from chartloom.sources.files.splitting import pieces

_BODY_BYTES_MAX = 256 * 1024 * 1024


def read_messages(
    paths: Sequence[Path], format_: Format = Format.HL7V2, body_bytes_max: int = _BODY_BYTES_MAX
) -> Iterator[bytes]:
    """The messages of files (one or many per file) and of all files below folders, in name order.

    Reads as it goes, so that files of any size can be sent. Raises ``ConfigurationError`` for a
    path that is not there, ``LimitExceeded`` for a message larger than ``body_bytes_max``.
    """
    for path in paths:
        if not path.exists():
            raise ConfigurationError(
                "There is no such file or folder.", where=str(path), cure="Check the path."
            )
        for file in _files(path):
            yield from _messages(file, format_, body_bytes_max)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not any(p.startswith(".") for p in file.relative_to(path).parts):
            yield file


def _messages(path: Path, format_: Format, body_bytes_max: int) -> Iterator[bytes]:
    ndjson = path.suffix.lower() in (".ndjson", ".jsonl")
    with path.open("rb") as file:
        for piece in pieces(file, format_, body_bytes_max, ndjson):
            if piece.event:
                raise LimitExceeded(
                    f"A message is larger than {body_bytes_max} bytes.",
                    where=f"{path} at byte {piece.offset}",
                    cure="Check that this file holds messages.",
                )
            yield piece.body
