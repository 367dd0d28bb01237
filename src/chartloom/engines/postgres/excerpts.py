"""What is shown of a message about several persons to who may see some of them: their parts."""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.domain.errors import NotFound
from chartloom.domain.message import Message, MessageState
from chartloom.domain.store import MessageDetail, MessageRow
from chartloom.engines.postgres.bodies import BundleBody, Excerpt


def detail(parts: Sequence[tuple[int, str, BundleBody]], position: int) -> MessageDetail:
    """The message as far as these parts go (ordinal, source patient, body).

    Raises ``NotFound`` if none of them has any of its bytes. What is about the message as a whole
    (provenance, Issues, its size) is not told: it is about the others too. Nor is a resource that
    may come from bytes about others as well.
    """
    open_ = [(patient, body, body.excerpt) for _, patient, body in parts if body.excerpt]
    if not open_:
        raise NotFound("there is no such message.")
    first = open_[0][2]
    slices = {number: text for _, _, excerpt in open_ for number, text in excerpt.slices}
    text, spans = first.frame.excerpt(slices)
    patient = open_[0][0] if len(open_) == 1 else ""
    message = Message(
        position=position,
        feed=first.feed,
        body=text,
        received_at_us=first.received_at_us,
        sha256=first.sha256,
        control_id=first.control_id,
        message_type=first.message_type,
        source_patient=patient,
        shown=spans,
    )
    return MessageDetail(
        row=row(first, position, patient, sum(b - a for a, b in spans)),
        message=message,
        project_version=first.project_version,
        resources=tuple(
            c.resource
            for _, body, excerpt in open_
            for c in body.contributions
            if c.type not in excerpt.shared
        ),
        provenance=None,
        issues=(),
        unmapped=(),
        links=(),
    )


def row(excerpt: Excerpt, position: int, patient: str, size_bytes: int = 0) -> MessageRow:
    """A line of a list, for who may see this person. size_bytes: of what is shown."""
    size = size_bytes or sum(len(text) for _, text in excerpt.slices)
    return MessageRow(
        position=position,
        feed=excerpt.feed,
        message_type=excerpt.message_type,
        control_id=excerpt.control_id,
        received_at_us=excerpt.received_at_us,
        applied_at_us=excerpt.applied_at_us,
        state=MessageState.APPLIED,
        source_patient=patient,
        size_bytes=size,
        issue_count=0,
        unmapped_count=0,
        excerpt=True,
    )
