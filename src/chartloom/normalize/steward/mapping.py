"""The mapping ``steward``: what people decided, landed and read like any other message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as MappingOf
from typing import Final
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.identity import STEWARD_FEED
from chartloom.domain.issues import Issue, Severity
from chartloom.domain.message import Arrival, Message
from chartloom.domain.resource import (
    Derived,
    Disposition,
    Evidence,
    FhirJson,
    LossCounts,
    LossReport,
    LossRow,
    Traced,
)
from chartloom.formats.fhir import decode_json, pointers, validate
from chartloom.normalize.code_version import fingerprint
from chartloom.normalize.fhir_feed.loss import element_of
from chartloom.normalize.fhir_feed.mapping import stated_us
from chartloom.normalize.steward.directory import read_word
from chartloom.normalize.steward.labels import is_label_word, read_label_word
from chartloom.normalize.steward.linkage import linkage_reader
from chartloom.normalize.steward.lists import read_list
from chartloom.normalize.steward.reasons import read_reasons
from chartloom.normalize.steward.said import ELSEWHERE, MALFORMED, Reader, Reading, Said

_BAD: Final = frozenset({Severity.ERROR, Severity.FATAL})


def arrival(body: bytes, source_patient: str, received_at_us: int) -> Arrival:
    """What to land for a decision. source_patient: the first record it is about; "" for none.

    The control id is made of the bytes: what is submitted twice lands once.
    """
    digest = hashlib.sha256(body)
    value, _ = decode_json(body)
    kind = value["resourceType"] if isinstance(value, dict) and "resourceType" in value else ""
    control_id = digest.hexdigest()[:32]
    return Arrival(
        STEWARD_FEED, body, received_at_us, digest.digest(), control_id, kind, source_patient
    )


class StewardMapping:
    """Reads decisions of people by type of resource. ``files``: the reasons they may give."""

    name = "steward"

    def __init__(self, files: MappingOf[str, bytes]) -> None:
        self.files = dict(files)
        self.fingerprint = fingerprint(self.files)
        #: Type of resource -> how it is read. A new kind of decision is a new row.
        self.readers: dict[str, Reader] = {
            "Linkage": linkage_reader(read_reasons(self.files)),
            "List": read_list,
            "Basic": _read_basic,
        }

    def clear(self) -> None:
        """Nothing of any message is remembered."""

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What was decided; pure, and never raises for any bytes."""
        return self._read(message, feed, namespace)[0]

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same with the fate of every leaf; all of a decision that is believed is used."""
        derived, used = self._read(message, feed, namespace)
        rows = tuple(
            LossRow(pointer, (start, end), Disposition.UNMAPPED)
            if not used
            else LossRow(
                pointer,
                (start, end),
                Disposition.MAPPED,
                f"steward:{used}",
                (f"{used}.{element_of(pointer)}",),
            )
            for pointer, start, end in _leaves(message, derived)
        )
        evidence = tuple(
            Evidence(c.id, element_of(row.location), row.rule, row.location, (row.span,))
            for c in derived.contributions
            if c.type == used
            for row in rows
        )
        return Traced(derived, evidence, LossReport(rows))

    def _read(self, message: Message, feed: Feed, namespace: UUID) -> tuple[Derived, str]:
        """What was decided, and the type of resource that said it ("" if it is refused)."""
        if feed.name != STEWARD_FEED or message.feed != STEWARD_FEED:
            return _refused(message, (Issue(ELSEWHERE),)), ""
        value, issues = decode_json(message.body, size_bytes_max=feed.limits.message_size_bytes_max)
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in self.readers:
            what = Issue(MALFORMED, detail="not a resource of a decision")
            return _refused(message, (*issues, what), _count(value)), ""
        issues += validate(value)
        bad = [Issue(MALFORMED, i.location, i.code) for i in issues if i.severity in _BAD]
        said = bad[0] if bad else self.readers[kind](value, Reading(message, feed, namespace))
        if isinstance(said, Issue):
            return _refused(message, (*issues, said), _count(value)), ""
        return _derived(message, value, said, tuple(issues)), kind


def _read_basic(resource: FhirJson, at: Reading) -> Said | Issue:
    """A word about a label, or about the directory."""
    return read_label_word(resource, at) if is_label_word(resource) else read_word(resource, at)


def _derived(message: Message, value: FhirJson, said: Said, issues: tuple[Issue, ...]) -> Derived:
    event_us, late = stated_us(value, message)
    return Derived(
        position=message.position,
        feed=message.feed,
        message_type=str(value["resourceType"]),
        control_id=message.control_id,
        event_us=event_us,
        source_patient=said.source_patient,
        contributions=said.contributions,
        links=said.links,
        issues=(*issues, *said.issues, *late),
        loss=LossCounts(mapped=_count(value)),
    )


def _refused(message: Message, issues: tuple[Issue, ...], leaves: int = 0) -> Derived:
    return Derived(
        position=message.position,
        feed=message.feed,
        message_type=message.message_type,
        control_id=message.control_id,
        event_us=message.received_at_us,
        source_patient=message.source_patient,
        issues=issues,
        loss=LossCounts(unmapped=leaves),
        quarantine=issues[-1].code,
    )


def _leaves(message: Message, derived: Derived) -> list[tuple[str, int, int]]:
    return list(pointers(message.body)) if sum((derived.loss.mapped, derived.loss.unmapped)) else []


def _count(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_count, value.values())) if value else 1
    if isinstance(value, list):
        return sum(map(_count, value)) if value else 1
    return 0 if value is None else 1
