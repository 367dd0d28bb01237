"""Time in the simulated hospital: microseconds since 1970, always whole seconds, no wall clock.

The site lives at UTC-7 all year round, so that local times without an offset are never ambiguous
and no time zone database is needed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY

#: IANA zone whose offset is :data:`SITE_OFFSET` all year.
SITE_ZONE = "America/Phoenix"
SITE_OFFSET = timezone(timedelta(hours=-7))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970, floored to a second; a naive ``moment`` is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH).total_seconds()) * SECOND


def local(at_us: int) -> datetime:
    """The site's wall clock at a time."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(SITE_OFFSET)


def iso(at_us: int) -> str:
    """FHIR ``dateTime``/``instant`` with the site's offset."""
    return local(at_us).isoformat(timespec="seconds")


def iso_date(at_us: int) -> str:
    """``YYYY-MM-DD`` at the site."""
    return local(at_us).strftime("%Y-%m-%d")


def between(rng: Random, low_us: int, high_us: int) -> int:
    """A whole-second duration or time, low <= x <= high."""
    return rng.randint(low_us // SECOND, high_us // SECOND) * SECOND


def waiting(rng: Random, mean_us: int) -> int:
    """An exponential waiting time of at least one hour."""
    return max(HOUR, int(rng.expovariate(1.0) * mean_us) // SECOND * SECOND)


def at_hour(rng: Random, at_us: int, first: int, last: int) -> int:
    """The same local day at a random minute of the hours ``first`` to ``last`` (exclusive)."""
    day = local(at_us).replace(hour=0, minute=0, second=0, microsecond=0)
    return to_us(day) + rng.randrange(first * 60, last * 60) * MINUTE
