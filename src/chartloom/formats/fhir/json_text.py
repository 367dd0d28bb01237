"""JSON from outside (RFC 8259), read strictly: what two readers could understand differently is
refused, and decimals keep their digits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.formats.fhir import issues as _codes

assert _codes  # importing it registers the codes

DEPTH_MAX: Final = 64
SIZE_BYTES_MAX: Final = 256 * 1024 * 1024
#: |exponent| of a number; far beyond any measured quantity, far below what exhausts memory.
EXPONENT_MAX: Final = 400

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_KEY_DECODER: Final = msgspec.json.Decoder(str)
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_KEYS: Final = re.compile(_STRING + rb"[ \t\r\n]*+(:?)", re.DOTALL)
_LARGE_EXPONENT: Final = re.compile(rb"[0-9][eE][+-]?[0-9]{3,}")
_TOKEN: Final = re.compile(_STRING + rb'|[{}\[\],:]|[^{}\[\],:"\s]++', re.DOTALL)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_json(
    data: bytes, *, size_bytes_max: int = SIZE_BYTES_MAX, depth_max: int = DEPTH_MAX
) -> tuple[Any, list[Issue]]:
    """The value of a JSON text, or ``None`` with the fatal Issue that says why not.

    Refuses NaN and Infinity, duplicate keys, lone surrogates, other charsets than UTF-8, trailing
    bytes, and nesting deeper than ``depth_max``. A byte order mark is skipped with an Issue.
    Numbers with fraction or exponent become ``Decimal``. Never raises on any bytes.
    """
    if len(data) > size_bytes_max:
        return None, [Issue("json-too-large", detail=f"limit {size_bytes_max} bytes")]
    if data.startswith(_UTF16) or b"\x00" in data[:4]:
        return None, [Issue("json-not-utf8")]
    issues: list[Issue] = []
    text = data
    if data.startswith(codecs.BOM_UTF8):
        text = data[len(codecs.BOM_UTF8) :]
        issues.append(Issue("json-byte-order-mark", span=(0, len(codecs.BOM_UTF8))))
    try:
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        return None, [*issues, Issue("json-not-utf8")]
    except InvalidOperation:
        return None, [*issues, Issue("json-number-out-of-range")]
    except RecursionError:
        return None, [*issues, Issue("json-too-deep", detail=f"limit {depth_max}")]
    except msgspec.DecodeError as error:
        return None, [*issues, Issue(_malformed(text, str(error)))]
    fatal = _check(value, text, depth_max)
    return (None, [*issues, fatal]) if fatal else (value, issues)


def _malformed(text: bytes, message: str) -> str:
    """The code for a decoder's message (which may not be shown: it could name a value)."""
    if "out of range" in message:
        return "json-number-out-of-range"
    if "surrogate" in message or re.search(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", text):
        return "json-lone-surrogate"
    return "json-malformed"


def _check(value: Any, text: bytes, depth_max: int) -> Issue | None:
    """What the decoder lets pass."""
    keys = _count_keys(value, depth_max)
    if keys < 0:
        return Issue("json-too-deep", detail=f"limit {depth_max}")
    if not _writes_each_key_once(text, keys):
        return Issue("json-duplicate-key", next(_duplicates(text), ""))
    if _LARGE_EXPONENT.search(text) and not _numbers_in_range(value):
        return Issue("json-number-out-of-range")
    return None


def _count_keys(value: Any, depth: int) -> int:
    """How many members all objects have together; -1 when nested deeper than ``depth``."""
    kind = type(value)
    if kind is dict:
        count, children = len(value), value.values()
    elif kind is list:
        count, children = 0, value
    else:
        return 0
    if depth == 0:
        return -1
    for child in children:
        if type(child) is dict or type(child) is list:
            inner = _count_keys(child, depth - 1)
            if inner < 0:
                return -1
            count += inner
    return count


_SPACED: Final = (b" :", b"\n:", b"\t:", b"\r:")


def _writes_each_key_once(text: bytes, keys: int) -> bool:
    """Whether the text writes exactly ``keys`` members.

    Counting ``":`` never finds fewer than there are (unless a colon is spaced), and is cheap; only
    when it finds more are the strings told apart.
    """
    if not any(mark in text for mark in _SPACED) and text.count(b'":') == keys:
        return True
    return _KEYS.findall(text).count(b":") == keys


def _numbers_in_range(value: Any) -> bool:
    if type(value) is dict:
        return all(map(_numbers_in_range, value.values()))
    if type(value) is list:
        return all(map(_numbers_in_range, value))
    if type(value) is Decimal:
        exponent = value.as_tuple().exponent
        return isinstance(exponent, int) and abs(exponent) <= EXPONENT_MAX
    return True


class _Frame:
    """An open object or array of the scanner."""

    __slots__ = ("count", "is_object", "key", "pointer", "seen", "start")

    def __init__(self, pointer: str, start: int, is_object: bool) -> None:
        self.pointer, self.start, self.is_object = pointer, start, is_object
        self.key: str | None = None
        self.count = 0
        self.seen: set[str] = set()

    def child(self) -> str:
        """The pointer of the value that begins now."""
        if self.is_object:
            key, self.key = self.key or "", None
            return f"{self.pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        self.count += 1
        return f"{self.pointer}/{self.count - 1}"


def scan(data: bytes) -> Iterator[tuple[str, int, int, bool]]:
    """``(pointer, start, end, is_leaf)`` of every value; a container follows its members.

    data: a text that :func:`decode_json` accepted (duplicate keys are allowed here). Offsets count
    from the first byte, a byte order mark included. Empty containers are leaves.
    """
    stack: list[_Frame] = []
    begin = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    for token in _TOKEN.finditer(data, begin):
        start, end = token.span()
        first = data[start]
        if first in b",:":
            continue
        if first in b"}]":
            frame = stack.pop()
            yield frame.pointer, frame.start, end, not (frame.count or frame.seen)
            continue
        top = stack[-1] if stack else None
        if top is not None and top.is_object and top.key is None:
            top.key = _KEY_DECODER.decode(data[start:end])
            top.seen.add(top.key)
            continue
        pointer = top.child() if top is not None else ""
        if first in b"{[":
            stack.append(_Frame(pointer, start, first == 0x7B))
        else:
            yield pointer, start, end, True


def _duplicates(text: bytes) -> Iterator[str]:
    """Pointers at which a value stands for the second time."""
    seen: set[str] = set()
    for pointer, _, _, _ in scan(text):
        if pointer in seen:
            yield pointer
        seen.add(pointer)


def pointers(data: bytes) -> Iterator[tuple[str, int, int]]:
    """JSON pointer (RFC 6901) and byte span of every leaf, in the order of the text."""
    for pointer, start, end, leaf in scan(data):
        if leaf:
            yield pointer, start, end


def locate(data: bytes, json_pointer: str) -> tuple[int, int]:
    """Byte span of a value (strings with quotes); raises ``LookupError`` if there is none."""
    for pointer, start, end, _ in scan(data):
        if pointer == json_pointer:
            return start, end
    raise LookupError(f"no value at {json_pointer!r}")
