"""Unusual volume: how many patients an actor saw in a day, against own days and against peers.

Robust z: distance from the median in units of the scaled median absolute deviation (Iglewicz and
Hoaglin, 1993), so that a few wild days do not hide each other. The deviation is never taken for
smaller than that of a Poisson count with the same median, so that somebody who sees exactly two
patients every day is not unusual with four.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from statistics import median
from typing import Final

import msgspec

#: The customary cut-off of the robust z.
SCORE_MIN: Final = 3.5
#: Days with fewer patients are never unusual.
PATIENTS_MIN: Final = 10
#: Days (or peers) below which there is nothing to compare with.
HISTORY_MIN: Final = 5
#: Makes the median absolute deviation comparable to a standard deviation.
_SCALE: Final = 1.4826


class Unusual(msgspec.Struct, frozen=True):
    """A day of an actor that stands out. Scores are robust z; ``None``: nothing to compare with.

    score: the lower of those there are, so that a busy day of a whole department is not unusual.
    """

    actor: str
    day: str
    patients: int
    usual: float
    peers: float
    own_score: float | None
    peer_score: float | None
    score: float


def robust_z(value: float, others: Collection[float]) -> float | None:
    """Robust z of ``value`` against ``others``; ``None`` if there are too few."""
    if len(others) < HISTORY_MIN:
        return None
    middle = median(others)
    spread = _SCALE * median(abs(x - middle) for x in others)
    return (value - middle) / max(spread, math.sqrt(middle), 1.0)


def unusual_volume(
    volume: Mapping[tuple[str, str], Collection[str]],
    roles: Mapping[str, tuple[str, ...]],
    since_day: str,
) -> list[Unusual]:
    """The unusual ones among the days from ``since_day`` on, strangest first.

    volume: (actor, day) -> patients seen. Own history are the actor's other days before the day in
    question; peers are actors with the same roles, on the same day if enough of them saw anybody
    then, otherwise on all days.
    """
    days: dict[str, dict[str, int]] = defaultdict(dict)
    for (actor, day), patients in volume.items():
        days[actor][day] = len(patients)
    by_roles: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for actor in days:
        by_roles[roles.get(actor, ())].append(actor)
    found: list[Unusual] = []
    for actor, counts in days.items():
        new = {d: n for d, n in counts.items() if d >= since_day and n >= PATIENTS_MIN}
        if not new:
            continue
        peers = [days[a] for a in by_roles[roles.get(actor, ())] if a != actor]
        always = [float(n) for peer in peers for n in peer.values()]
        for day, n in new.items():
            own = [float(m) for d, m in counts.items() if d < day]
            today = [float(peer[day]) for peer in peers if day in peer]
            unusual = _judge(actor, day, n, own, today if len(today) >= HISTORY_MIN else always)
            if unusual is not None:
                found.append(unusual)
    return sorted(found, key=lambda u: (-u.score, u.actor, u.day))


def _judge(actor: str, day: str, n: int, own: list[float], peers: list[float]) -> Unusual | None:
    own_score, peer_score = robust_z(n, own), robust_z(n, peers)
    scores = [s for s in (own_score, peer_score) if s is not None]
    if not scores or min(scores) < SCORE_MIN:
        return None
    return Unusual(
        actor=actor,
        day=day,
        patients=n,
        usual=median(own) if own else 0.0,
        peers=median(peers) if peers else 0.0,
        own_score=own_score,
        peer_score=peer_score,
        score=min(scores),
    )
