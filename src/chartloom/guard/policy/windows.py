"""For how long a care relation counts. Pure; the windows are settings of the site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from chartloom.domain.access import Relation, RelationKind

_DAY_US: Final = 86_400_000_000


class Windows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days around a relation in which it counts; the defaults are what hospitals commonly use.

    ``open_days_max``: a stay whose end nobody ever told counts as over after so many days.
    """

    attending_days: int = 7  #: after the end
    encounter_days: int = 30  #: before the start and after the end
    department_days: int = 30  #: before and after
    appointment_days: int = 30  #: before and after
    ordering_days: int = 30  #: after
    care_team_days: int = 30  #: after the end
    open_days_max: int = 180

    def days(self, kind: RelationKind) -> tuple[int, int]:
        """Days before the start and after the end."""
        return {
            RelationKind.ATTENDING: (self.encounter_days, self.attending_days),
            RelationKind.ENCOUNTER: (self.encounter_days, self.encounter_days),
            RelationKind.DEPARTMENT: (self.department_days, self.department_days),
            RelationKind.APPOINTMENT: (self.appointment_days, self.appointment_days),
            RelationKind.ORDERING: (1, self.ordering_days),
            RelationKind.CARE_TEAM: (0, self.care_team_days),
            RelationKind.PRIMARY_CARE: (0, 0),
        }[kind]


#: Relations that last until the source takes them back.
_LASTING = frozenset({RelationKind.PRIMARY_CARE, RelationKind.CARE_TEAM})


def counts(relation: Relation, now_us: int, windows: Windows) -> bool:
    """Whether a relation counts at ``now_us``. One without any time never does."""
    if relation.kind is RelationKind.PRIMARY_CARE:
        return True
    before, after = windows.days(relation.kind)
    start, end = relation.start_us, relation.end_us
    if not start and not end:
        return False
    if start and now_us < start - before * _DAY_US:
        return False
    if end:
        return now_us <= end + after * _DAY_US
    return relation.kind in _LASTING or now_us <= start + windows.open_days_max * _DAY_US


def relations_now(
    relations: Iterable[Relation],
    practitioners: frozenset[str],
    departments: frozenset[str],
    now_us: int,
    windows: Windows,
) -> frozenset[str]:
    """Kinds of relation that count now between a patient and a member of staff.

    practitioners, departments: ids that stand for the member of staff
    (:func:`~chartloom.guard.staff.resolve`). Working in a department is a relation of kind
    ``department``, however the department is related: only one's own record gives the nearer kinds.
    """
    found = set()
    for relation in relations:
        if relation.who in practitioners:
            if counts(relation, now_us, windows):
                found.add(relation.kind.value)
        elif relation.who in departments and counts(relation, now_us, windows):
            found.add(RelationKind.DEPARTMENT.value)
    return frozenset(found)
