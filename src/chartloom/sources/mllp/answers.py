"""Which acknowledgements a message gets (HL7 v2.5.1 and later, chapter 2.9), as pure functions.

*Original mode* (MSH-15 and MSH-16 both empty): one answer, AA, AE or AR. *Enhanced mode* (either is
valued): the accept acknowledgement CA, CE or CR if MSH-15 asks for it, then the application
acknowledgement if MSH-16 does, on the same connection. Each of the two is sent always (AL), never
(NE, or empty in enhanced mode), on success only (SU) or on errors only (ER).

A positive answer always means: durable. The negative ones say whether sending again helps:

=====================  ========  ===========  ======================================================
what happened          accept    application  the bytes are
=====================  ========  ===========  ======================================================
durable                CA        AA           landed
durable, unreadable    CA        AE           landed (``acknowledge = "parsed"``; in quarantine)
no usable MSH          --        AR           landed (in quarantine); MSA-2 is empty
refused by a limit     CE        AR           not kept; the sender should send again, or smaller
store not available    CE        AR           not kept; the sender should send again
store cannot hold it   CE        AE           not kept; sending the same again does not help
=====================  ========  ===========  ======================================================

AR, not AE, for refusals: the standard reserves AE for errors in the content, and AR for what is
unrelated to it and may succeed later. CE, not CR: CR is for unsupported MSH-9, MSH-11 or MSH-12,
and here all of these are accepted. A refused message gets no application acknowledgement beside the
accept one, because it never reached the application.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from chartloom.domain.issues import Severity
from chartloom.formats.hl7v2 import AckError, Peek, Tree, acknowledge
from chartloom.sources import events


class Verdict(NamedTuple):
    """How a message fared. ``event`` is a code of ``sources.events`` unless all is well."""

    accept: str
    application: str
    event: str = ""


ACCEPTED: Final = Verdict("CA", "AA")
NO_HEADER: Final = Verdict("CA", "AE", events.NO_HEADER)
UNREADABLE: Final = Verdict("CA", "AE", events.UNREADABLE)

_POSITIVE: Final = ("AA", "CA")
_TEMPLATES_MAX: Final = 500
#: Characters of a header up to which its answer is kept as a template.
_HEADER_MAX: Final = 2_000
#: Stands for our control id while a template is made; if a header holds it, there is none.
_OWN: Final = b"OwnControlIdOfThisAnswer7Q"

#: event -> (code of HL7 table 0357, text for the sender). Never values from the message.
_ERRORS: Final[dict[str, tuple[str, str]]] = {
    events.NO_HEADER: ("100", "No usable MSH segment. The bytes were kept for inspection."),
    events.UNREADABLE: ("199", "The message cannot be parsed. It was kept for inspection."),
    events.OVERSIZE: ("104", "Message too large. Nothing was kept."),
    events.BATCH: ("104", "Too many messages in one batch. Nothing was kept. Send smaller ones."),
    events.MEMORY: ("207", "Too many large messages at once. Nothing was kept. Send again."),
    events.RATE: ("207", "Rate limit of this feed. Nothing was kept. Send again later."),
    events.CONNECTIONS: ("207", "Too many connections on this feed. Nothing was kept."),
    events.STRANGER: ("207", "This sender is not known to this feed. Nothing was kept."),
    events.FRAME_TIMEOUT: ("207", "Message not complete in time. Nothing was kept. Send again."),
    events.REFUSED: ("207", "The store cannot hold this message. Nothing was kept."),
    events.STORE: ("207", "Not stored: the store is not available. Send again later."),
}


def refused(event: str) -> Verdict:
    """The verdict for a message of which nothing was kept."""
    return Verdict("CE", "AE" if event == events.REFUSED else "AR", event)


def unreadable(tree: Tree) -> bool:
    """Whether a feed that acknowledges what is parsed must answer AE."""
    return tree.fatal or any(i.severity is Severity.FATAL for i in tree.issues)


def hl7_time(now_us: int) -> str:
    """An HL7 time stamp in UTC, to the second."""
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).strftime("%Y%m%d%H%M%S+0000")


def codes(accept_ack: str, application_ack: str, verdict: Verdict) -> tuple[str, ...]:
    """The acknowledgement codes to send, in order; see the module's table."""
    if not accept_ack and not application_ack:
        return (verdict.application,)
    accepted = verdict.accept == "CA"
    asked: list[str] = []
    if _asked(accept_ack, accepted):
        asked.append(verdict.accept)
    if (accepted or not asked) and _asked(application_ack, verdict.application == "AA"):
        asked.append(verdict.application)
    return tuple(asked)


def _asked(condition: str, good: bool) -> bool:
    if condition in ("NE", ""):
        return False
    if condition == "SU":
        return good
    if condition == "ER":
        return not good
    return True  # AL; and for an unknown condition an answer is safer than silence


class Acknowledger:
    """Builds acknowledgement messages; one per source.

    Positive answers to one sender differ only in control ids and time, so their bytes are kept as
    templates. Their MSH-7 is therefore exact to the second.
    """

    def __init__(self, next_control_id: Callable[[], str]) -> None:
        self._next_control_id = next_control_id
        self._second = 0
        self._templates: dict[tuple[str, ...], tuple[bytes, bytes] | None] = {}

    def message(self, seen: Peek, verdict: Verdict, now_us: int) -> bytes:
        """The one answer of original mode, whatever the sender asked for, unframed: for transports
        that carry exactly one."""
        return self._message(seen, verdict.application, verdict.event, now_us)

    def messages(self, seen: Peek, verdict: Verdict, now_us: int) -> list[tuple[str, bytes]]:
        """The acknowledgements due for ``verdict`` with their codes, unframed."""
        due = codes(seen.accept_ack, seen.application_ack, verdict)
        return [(code, self._message(seen, code, verdict.event, now_us)) for code in due]

    def _message(self, seen: Peek, code: str, event: str, now_us: int) -> bytes:
        errors: Sequence[AckError] = ()
        if event and code not in _POSITIVE:
            errors = (_error(event),)
        elif template := self._template(seen, code, now_us // 1_000_000):
            own = self._next_control_id().encode()
            return b"".join((template[0], own, template[1], _reference(seen), b"\r"))
        return acknowledge(
            seen, code, control_id=self._next_control_id(), now_us=now_us, errors=errors
        )

    def _template(self, seen: Peek, code: str, second: int) -> tuple[bytes, bytes] | None:
        if seen.msh is None:
            return None
        if seen.msh.end - seen.msh.start > _HEADER_MAX:
            return None
        if second != self._second or len(self._templates) > _TEMPLATES_MAX:
            self._templates.clear()
            self._second = second
        # All that an acknowledgement takes from MSH, except the control id.
        f = seen.msh.fields
        key = (code, *f[:7], *f[9:10], *f[11:13], *f[15:19], seen.codec, seen.event)
        if key not in self._templates:
            self._templates[key] = _make_template(seen, code, second * 1_000_000)
        return self._templates[key]


def _reference(seen: Peek) -> bytes:
    """MSH-10 as the sender wrote it."""
    if seen.msh is None or len(seen.msh.fields) < 11:
        return b""
    return seen.msh.fields[10].encode(seen.codec, "surrogateescape")


def _make_template(seen: Peek, code: str, now_us: int) -> tuple[bytes, bytes] | None:
    """What stands around the own control id, up to the referenced one; None if it cannot be cut."""
    whole = acknowledge(seen, code, control_id=_OWN.decode(), now_us=now_us)
    end = _reference(seen) + b"\r"
    parts = whole.removesuffix(end).split(_OWN)
    return (parts[0], parts[1]) if len(parts) == 2 and whole.endswith(end) else None


def _error(event: str) -> AckError:
    condition, text = _ERRORS[event]
    return AckError(condition=condition, text=text, application_code=event)
