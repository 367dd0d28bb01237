"""Files and batches of messages: FHS, BHS, BTS, FTS and many MSH (HL7 v2 chapter 2, Batch)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.formats.hl7v2 import codes

#: Starts of messages and envelope segments; framing bytes count as ends of lines.
_START: Final = re.compile(
    rb"(?:\A|(?<=[\r\n\x0b\x1c]))(?:\xef\xbb\xbf)?[ \t]*(MSH|FHS|BHS|BTS|FTS)"
    rb"(?:(?=[^A-Za-z0-9])|\Z)"
)
_LINE_END: Final = re.compile(rb"[\r\n\x0b\x1c]|\Z")
_BLANK: Final = b"\r\n\x0b\x1c\x1a\x00 \t"
_BOM: Final = b"\xef\xbb\xbf"


class BatchSplit(msgspec.Struct, frozen=True):
    """Where the messages of a file are. Iterating gives the spans.

    spans: ``(start, end)`` byte offsets of each message, with its last segment terminator. Bytes
    that are neither a message nor envelope are a span of their own, so that they are landed (and
    quarantined) instead of lost. issues: what is wrong with the envelope.
    """

    spans: tuple[tuple[int, int], ...]
    issues: tuple[Issue, ...]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)


def split_batch(data: bytes) -> BatchSplit:
    """Splits a file or a framed batch into single messages; one message is a batch of one.

    Reads any segment terminator, MLLP framing between messages, and batches without envelope.
    UTF-16 and UTF-32 are not split. Never raises.
    """
    return _Splitter(data).split()


class _Splitter:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.spans: list[tuple[int, int]] = []
        self.issues: list[Issue] = []
        self.open: list[str] = []  # headers whose trailer has not come yet
        self.messages = 0  # in the open batch
        self.batches = 0  # in the open file

    def split(self) -> BatchSplit:
        data = self.data
        done = 0
        starts = list(_START.finditer(data))
        for i, match in enumerate(starts):
            start = match.start(1)
            limit = starts[i + 1].start() if i + 1 < len(starts) else len(data)
            self._stray(done, start)
            name = match[1].decode()
            if name == "MSH":
                done = self._trim(start, limit)
                self.spans.append((start, done))
                self.messages += 1
            else:
                found = _LINE_END.search(data, start, limit)
                done = found.start() if found else limit
                self._envelope(name, start, done)
        self._stray(done, len(data))
        for name in self.open:
            self.issues.append(Issue(codes.BATCH_ENVELOPE, name))
        return BatchSplit(tuple(self.spans), tuple(self.issues))

    def _trim(self, start: int, limit: int) -> int:
        """Where the message ends: behind the terminator of its last segment that is not blank."""
        end = start + len(self.data[start:limit].rstrip(_BLANK))
        for terminator in (b"\r\n", b"\r", b"\n"):
            if self.data.startswith(terminator, end, limit):
                return end + len(terminator)
        return end

    def _stray(self, start: int, end: int) -> None:
        stripped = self.data[start:end].lstrip(_BLANK)
        if stripped.startswith(_BOM):  # files that were put together one after the other
            stripped = stripped[len(_BOM) :].lstrip(_BLANK)
        if not stripped:
            return
        span = (end - len(stripped), self._trim(end - len(stripped), end))
        self.spans.append(span)
        self.issues.append(Issue(codes.BATCH_STRAY, span=span))

    def _envelope(self, name: str, start: int, end: int) -> None:
        if name in ("FHS", "BHS"):
            if name in self.open or (name == "FHS" and self.open):
                self.issues.append(Issue(codes.BATCH_ENVELOPE, name, span=(start, end)))
            self.open = [n for n in self.open if n == "FHS" and name == "BHS"] + [name]
            if name == "BHS":
                self.messages = 0
                self.batches += 1
            else:
                self.batches = 0
            return
        header = "BHS" if name == "BTS" else "FHS"
        if header not in self.open or self.open[-1] != header:
            self.issues.append(Issue(codes.BATCH_ENVELOPE, name, span=(start, end)))
        self.open = [n for n in self.open if n == "FHS" and header == "BHS"]
        found = self.messages if name == "BTS" else self.batches
        self._count(name, start, end, found)
        if name == "BTS":
            self.messages = 0

    def _count(self, name: str, start: int, end: int, found: int) -> None:
        """Compares the count in field 1 of a trailer with what there was."""
        separator = self.data[start + 3 : min(start + 4, end)]
        fields = self.data[start:end].split(separator) if separator else []
        announced = fields[1].strip() if len(fields) > 1 else b""
        if announced.isdigit() and len(announced) < 10 and int(announced) != found:
            self.issues.append(
                Issue(
                    codes.BATCH_COUNT,
                    f"{name}-1",
                    f"{int(announced)} announced, {found} found",
                    (start, end),
                )
            )
