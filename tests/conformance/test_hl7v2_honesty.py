"""A field that the loss report calls mapped matters: changing it changes what is derived."""

from __future__ import annotations

import random
from collections import Counter

from tests.support.corpora import hl7v2_messages
from tests.support.derive import FEED, MAPPING, RECEIVED_AT_US

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, Disposition

_PER_MESSAGE = 12
#: Restated elsewhere in the same message (a directory entry, a repeated specimen), or read only to
#: decide how a neighbour is read: changing one copy need not show.
_ALLOWED_SHARE = 0.03


def _message(body: bytes) -> Message:
    return Message(1, FEED.name, body, RECEIVED_AT_US, b"0" * 32)


def _changed(text: bytes) -> bytes:
    if text in (b"Y", b"N"):
        return b"N" if text == b"Y" else b"Y"
    last = text[-1:]
    return text[:-1] + (b"%d" % ((int(last) + 1) % 10) if last.isdigit() else last + b"Q")


def _said(derived: Derived) -> tuple[object, ...]:
    return derived.contributions, derived.links, derived.provenance, derived.quarantine


def test_mapped_fields_matter() -> None:
    rng = random.Random(20240105)
    checked, silent = 0, Counter[str]()
    for _, body in hl7v2_messages():
        traced = MAPPING.trace(_message(body), FEED, EXAMPLE_NAMESPACE)
        if traced.derived.quarantine or not traced.derived.message_type.startswith(("ADT", "ORU")):
            continue
        rows = [r for r in traced.loss.rows if r.disposition is Disposition.MAPPED]
        for row in rng.sample(rows, min(_PER_MESSAGE, len(rows))):
            start, end = row.span
            if body[start:end] == b'""':
                continue
            other = body[:start] + _changed(body[start:end]) + body[end:]
            derived = MAPPING.derive(_message(other), FEED, EXAMPLE_NAMESPACE)
            checked += 1
            if _said(derived) == _said(traced.derived):
                silent[f"{row.rule} {row.location}"] += 1
    assert checked > 500
    assert silent.total() <= checked * _ALLOWED_SHARE, silent.most_common(20)
