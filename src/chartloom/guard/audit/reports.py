"""Who saw a person, to whom data was disclosed, and what a privacy officer should look at.

Pure functions over events as :func:`~chartloom.guard.audit.seen.read_events` gives them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from chartloom.guard.audit.seen import Seen
from chartloom.guard.audit.unusual import Unusual, unusual_volume
from chartloom.guard.audit.vocabulary import Kind

#: Kinds by which somebody came to see something of a person.
_SEEING: Final = frozenset({Kind.READ, Kind.SEARCH, Kind.EXPORT, Kind.DISCLOSURE})
_PERSON_LABELS: Final = frozenset({"VIP", "EMP"})
#: A page asks for itself every five or ten seconds; browsers let pages in the background wait.
_REFRESH_GAP_US: Final = 120_000_000
#: Events named with each concern.
_EXAMPLES_MAX: Final = 20


class Viewing(msgspec.Struct, frozen=True):
    """One actor's accesses to a person's record, for one purpose."""

    actor: str
    roles: tuple[str, ...]
    purpose: str
    behalf: str
    kinds: tuple[str, ...]
    times: int
    denied: int
    first_us: int
    last_us: int
    refreshed: int = 0


class Openings:
    """Tells openings from refreshes: a page that stays open asks for itself every few seconds.

    That it was a refresh is what the browser says, so it is believed only where the same actor saw
    the same a moment before. To be asked about all events, in their order.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[object, ...], int] = {}

    def is_one(self, event: Seen) -> bool:
        """Whether somebody came to see something, and did not just go on looking."""
        if event.denied:
            return True
        key = (event.actor, event.behalf, event.purpose, event.patients, _parts(event))
        last_us = self._last.get(key)
        self._last[key] = event.at_us
        on = last_us is not None and 0 <= event.at_us - last_us <= _REFRESH_GAP_US
        return not (event.refresh and on)


def _parts(event: Seen) -> tuple[str, ...]:
    return (event.kind, *event.things)


def who_saw(
    events: Iterable[Seen], persons: Collection[str], since_us: int = 0, until_us: int = 1 << 62
) -> list[Viewing]:
    """Who saw (or tried to see) any of a person's source patients, newest first. events: in
    order."""
    wanted = frozenset(persons)
    groups: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    again: set[int] = set()
    openings = Openings()
    for event in events:
        if not wanted.isdisjoint(event.patients) and not openings.is_one(event):
            again.add(event.seq)
        if (
            since_us <= event.at_us < until_us
            and (event.kind in _SEEING or event.kind == Kind.GLASS_BROKEN)
            and not wanted.isdisjoint(event.patients)
        ):
            groups[event.actor, event.purpose, event.behalf].append(event)
    found = [_viewing(group, again) for group in groups.values()]
    return sorted(found, key=lambda v: (-v.last_us, v.actor, v.purpose))


def _viewing(group: Sequence[Seen], again: Collection[int]) -> Viewing:
    first = group[0]
    refreshed = sum(e.seq in again for e in group)
    return Viewing(
        actor=first.actor,
        roles=tuple(sorted({r for e in group for r in e.roles})),
        purpose=first.purpose,
        behalf=first.behalf,
        kinds=tuple(sorted({e.kind for e in group if not e.denied})),
        times=sum(not e.denied for e in group) - refreshed,
        denied=sum(bool(e.denied) for e in group),
        first_us=min(e.at_us for e in group),
        last_us=max(e.at_us for e in group),
        refreshed=refreshed,
    )


class Disclosed(msgspec.Struct, frozen=True):
    """A line of a patient's accounting of disclosures (45 CFR 164.528): when, to whom, what, why.

    Repeated disclosures of the same thing to the same recipient are one line, as (b)(3) allows.
    """

    recipients: tuple[str, ...]
    what: str
    reason: str
    first_us: int
    last_us: int
    times: int


def accounting(
    events: Iterable[Seen], persons: Collection[str], since_us: int = 0, until_us: int = 1 << 62
) -> list[Disclosed]:
    """Disclosures of a person's data outside treatment, payment and operations, oldest first."""
    wanted = frozenset(persons)
    groups: dict[tuple[tuple[str, ...], str, str], list[int]] = defaultdict(list)
    for event in events:
        if (
            event.kind in (Kind.DISCLOSURE, Kind.EXPORT)
            and event.recipients
            and not event.denied
            and since_us <= event.at_us < until_us
            and not wanted.isdisjoint(event.patients)
        ):
            what = next((t.partition("/")[2] for t in event.things), "")
            reason = event.details.get("reason") or event.details.get("data_use", "")
            groups[event.recipients, what, reason].append(event.at_us)
    lines = [
        Disclosed(recipients, what, reason, min(times), max(times), len(times))
        for (recipients, what, reason), times in groups.items()
    ]
    return sorted(lines, key=lambda d: (d.first_us, d.recipients, d.what))


class Facts(msgspec.Struct, frozen=True):
    """What tells families, without telling names: blind fingerprints, hexadecimal.

    person: the id of the person's cluster. surname and address: fingerprints, ``""`` if unknown.
    """

    person: str
    surname: str = ""
    address: str = ""


class Concern(StrEnum):
    """Why a privacy officer should look."""

    OWN_RECORD = "own-record"
    OWN_FAMILY = "own-family"
    SAME_NAME = "same-name"
    OWN_NAME_SEARCH = "own-name-search"
    VIP = "vip"
    EMPLOYEE = "employee"
    GLASS_UNREVIEWED = "glass-unreviewed"
    GLASS = "glass"
    DENIED = "denied"
    VOLUME = "unusual-volume"


class Finding(msgspec.Struct, frozen=True):
    """Something to look at. events: numbers in the log, at most twenty. times: how many in all.

    weight: to sort by, higher is worse; comparable only within a report.
    """

    concern: Concern
    actor: str
    patient: str
    times: int
    first_us: int
    last_us: int
    events: tuple[int, ...]
    weight: float
    unusual: Unusual | None = None


_WEIGHT: Final = {
    Concern.OWN_FAMILY: 8.0,
    Concern.GLASS_UNREVIEWED: 7.0,
    Concern.OWN_RECORD: 6.0,
    Concern.VIP: 5.0,
    Concern.EMPLOYEE: 4.0,
    Concern.OWN_NAME_SEARCH: 4.0,
    Concern.SAME_NAME: 3.0,
    Concern.DENIED: 2.0,
    Concern.GLASS: 1.0,
}


class _Collector:
    """Groups events by concern, actor and patient."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Concern, str, str], list[tuple[int, int]]] = defaultdict(list)

    def add(self, concern: Concern, event: Seen, actor: str, patient: str = "") -> None:
        self._groups[concern, actor, patient].append((event.seq, event.at_us))

    def findings(self) -> list[Finding]:
        return [
            Finding(
                concern=concern,
                actor=actor,
                patient=patient,
                times=len(places),
                first_us=min(at for _, at in places),
                last_us=max(at for _, at in places),
                events=tuple(seq for seq, _ in places[:_EXAMPLES_MAX]),
                weight=_WEIGHT[concern],
            )
            for (concern, actor, patient), places in self._groups.items()
        ]


def utc_day(at_us: int) -> str:
    """``2026-03-01``."""
    return f"{datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y-%m-%d}"


def privacy_report(
    events: Iterable[Seen],
    staff: Mapping[str, Facts],
    patient: Callable[[str], Facts | None],
    since_us: int,
    until_us: int,
    *,
    day: Callable[[int], str] = utc_day,
) -> list[Finding]:
    """What a privacy officer should look at in ``[since_us, until_us)``, worst first.

    events: also those of the weeks before, against which volume is compared. staff: the facts of
    each actor's own patient record, where known. patient: facts of a source patient; asked once
    per patient. day: the site's calendar day of a time.
    """
    known: dict[str, Facts | None] = {}
    found = _Collector()
    opened: dict[str, Seen] = {}
    reviewed: set[str] = set()
    volume: dict[tuple[str, str], set[str]] = defaultdict(set)
    roles: dict[str, tuple[str, ...]] = {}
    openings = Openings()
    for event in events:
        if event.at_us >= until_us or not openings.is_one(event):
            continue
        glass = event.details.get("glass", "")
        if event.kind == Kind.GLASS_REVIEWED and not event.denied:
            reviewed.add(glass)
        if event.kind == Kind.GLASS_BROKEN and not event.denied:
            opened[glass] = event
        if event.service and not event.behalf:
            continue
        actor = event.behalf or event.actor
        if event.kind in _SEEING and not event.denied:
            volume[actor, day(event.at_us)].update(event.patients)
            roles[actor] = event.roles
        if event.at_us < since_us:
            continue
        if event.denied:
            found.add(Concern.DENIED, event, actor)
        _relations(event, actor, staff.get(actor), known, patient, found)
    for glass, event in opened.items():
        if glass not in reviewed:
            _glass(Concern.GLASS_UNREVIEWED, event, found)
        elif event.at_us >= since_us:
            _glass(Concern.GLASS, event, found)
    findings = found.findings() + [
        _volume_finding(u) for u in unusual_volume(volume, roles, day(since_us))
    ]
    return sorted(findings, key=lambda f: (-f.weight, f.concern, f.actor, f.patient))


def _glass(concern: Concern, event: Seen, found: _Collector) -> None:
    found.add(concern, event, event.actor, event.patients[0] if event.patients else "")


def _relations(
    event: Seen,
    actor: str,
    own: Facts | None,
    known: dict[str, Facts | None],
    patient: Callable[[str], Facts | None],
    found: _Collector,
) -> None:
    """Own record, own family, same name, famous patients; tries count as much as successes."""
    terms = (event.fingerprints.get("family"), event.fingerprints.get("any"))
    if own and event.kind == Kind.SEARCH and own.surname and own.surname in terms:
        found.add(Concern.OWN_NAME_SEARCH, event, actor)
    if event.kind not in (Kind.READ, Kind.EXPORT, Kind.DISCLOSURE, Kind.GLASS_BROKEN):
        return
    for label in _PERSON_LABELS.intersection(event.labels):
        concern = Concern.VIP if label == "VIP" else Concern.EMPLOYEE
        for source_patient in event.patients:
            found.add(concern, event, actor, source_patient)
    if own is None:
        return
    for source_patient in event.patients:
        if source_patient not in known:
            known[source_patient] = patient(source_patient)
        facts = known[source_patient]
        if facts is None:
            continue
        if facts.person == own.person:
            found.add(Concern.OWN_RECORD, event, actor, source_patient)
        elif own.address and facts.address == own.address:
            found.add(Concern.OWN_FAMILY, event, actor, source_patient)
        elif own.surname and facts.surname == own.surname:
            found.add(Concern.SAME_NAME, event, actor, source_patient)


def _volume_finding(unusual: Unusual) -> Finding:
    return Finding(
        concern=Concern.VOLUME,
        actor=unusual.actor,
        patient="",
        times=unusual.patients,
        first_us=0,
        last_us=0,
        events=(),
        weight=3.0 + min(unusual.score, 30.0) / 10.0,
        unusual=unusual,
    )
