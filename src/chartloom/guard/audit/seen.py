"""Reads our AuditEvents back: the few facts that reports ask for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator

import msgspec

from chartloom.domain.audit import LoggedEvent
from chartloom.guard.audit import vocabulary as v
from chartloom.guard.audit.canonical import instant_us

_PATIENT = "Patient/"


class Seen(msgspec.Struct, frozen=True):
    """One event. Times in microseconds; ``denied`` is the reason code, ``""`` if it was allowed.

    patients: source patient ids. fingerprints: search field -> fingerprint (hex). details: codes
    and counts as the builder wrote them. labels: of the persons (VIP, EMP).
    """

    seq: int
    at_us: int
    kind: str
    actor: str
    roles: tuple[str, ...] = ()
    service: bool = False
    behalf: str = ""
    address: str = ""
    purpose: str = ""
    denied: str = ""
    patients: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    fingerprints: dict[str, str] = {}
    details: dict[str, str] = {}

    @property
    def refresh(self) -> bool:
        """Whether a page that was open asked for itself again, as the browser says."""
        return "refresh" in self.details

    @property
    def people(self) -> tuple[str, ...]:
        """Whoever asked, and for whom."""
        return (self.actor, self.behalf) if self.behalf else (self.actor,)


class _Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: list[_Coding] = []


class _Identifier(msgspec.Struct, frozen=True):
    value: str = ""


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""
    identifier: _Identifier = _Identifier()


class _Network(msgspec.Struct, frozen=True):
    address: str = ""


class _Agent(msgspec.Struct, frozen=True):
    requestor: bool
    type: _Concept = _Concept()
    who: _Reference = _Reference()
    role: list[_Concept] = []
    purposeOfUse: list[_Concept] = []  # noqa: N815
    network: _Network = _Network()


class _Detail(msgspec.Struct, frozen=True):
    type: str
    valueString: str = ""  # noqa: N815


class _Entity(msgspec.Struct, frozen=True):
    type: _Coding = _Coding()
    what: _Reference = _Reference()
    query: str = ""
    detail: list[_Detail] = []
    securityLabel: list[_Coding] = []  # noqa: N815


class _Event(msgspec.Struct, frozen=True):
    recorded: str
    agent: list[_Agent]
    subtype: list[_Coding] = []
    outcome: str = ""
    outcomeDesc: str = ""  # noqa: N815
    entity: list[_Entity] = []


_decode = msgspec.json.Decoder(_Event).decode


def read_events(events: Iterable[LoggedEvent]) -> Iterator[Seen]:
    """Events of ours as reports see them. Raises ``ValueError`` for a body that is none."""
    return (read_event(e.seq, e.body) for e in events)


def read_event(seq: int, body: bytes) -> Seen:
    """One event. Raises ``ValueError`` if ``body`` is not an AuditEvent of ours."""
    event = _decode(body)  # its errors are ValueErrors
    users = [a for a in event.agent if a.requestor]
    if len(users) != 1:
        raise ValueError("an event needs exactly one requestor")
    user = users[0]
    roles = tuple(c.code for r in user.role for c in r.coding)
    details: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    patients: list[str] = []
    things: list[str] = []
    labels: dict[str, None] = {}
    for entity in event.entity:
        details.update((d.type, d.valueString) for d in entity.detail)
        if entity.query:
            fingerprints.update(_terms(entity.query))
        target = entity.what.reference or entity.what.identifier.value
        if entity.type.code == "1" and target.startswith(_PATIENT):
            patients.append(target[len(_PATIENT) :])
            labels.update((c.code, None) for c in entity.securityLabel)
        elif target and entity.type.code == "2":
            things.append(target)
    return Seen(
        seq=seq,
        at_us=instant_us(event.recorded),
        kind=next((c.code for c in event.subtype if c.system == v.KIND), ""),
        actor=user.who.identifier.value,
        roles=tuple(r for r in roles if r != "service"),
        service="service" in roles,
        behalf=_others(event, "AUT")[0] if _others(event, "AUT") else "",
        address=user.network.address,
        purpose=next((c.code for p in user.purposeOfUse for c in p.coding), ""),
        denied="" if event.outcome == "0" else event.outcomeDesc or "denied",
        patients=tuple(patients),
        things=tuple(things),
        labels=tuple(labels),
        recipients=_others(event, "110152"),
        fingerprints=fingerprints,
        details=details,
    )


def _others(event: _Event, code: str) -> tuple[str, ...]:
    return tuple(
        a.who.identifier.value
        for a in event.agent
        if not a.requestor and any(c.code == code for c in a.type.coding)
    )


def _terms(query: str) -> Iterator[tuple[str, str]]:
    try:
        text = base64.b64decode(query, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("a query is not one of ours") from error
    for term in text.split("&") if text != "*" else ():
        field, _, fingerprint = term.partition("=")
        yield field, fingerprint
