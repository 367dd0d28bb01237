"""How well the persons of a data set hide among each other.

k: the size of the smallest group with equal quasi-identifiers. l: the fewest different sensitive
values in such a group (distinct l-diversity).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from chartloom.domain.resource import FhirJson

#: A row's quasi-identifiers, or what stands for one that is missing.
MISSING = ""


class KReport(msgspec.Struct, frozen=True):
    """Result of :func:`k_report`. k, l: of the rows that stay; 0 if none stays.

    classes: groups that stay. smallest_before: k of all rows. suppressed: indices of the rows that
    must not leave, ascending.
    """

    rows: int
    k: int
    l: int  # noqa: E741 - its name in the literature
    classes: int
    smallest_before: int
    suppressed: tuple[int, ...]


def k_report(
    rows: Sequence[Mapping[str, str]],
    quasi: Sequence[str],
    sensitive: str = "",
    *,
    k: int = 11,
    l: int = 1,  # noqa: E741
) -> KReport:
    """Groups rows by their quasi-identifiers; suppresses groups below ``k`` or ``l``.

    sensitive: the column whose values are counted for ``l``; "" if there is none. The default k is
    the smallest cell that CMS lets out. Raises ``ValueError`` if k or l is less than 1.
    """
    if k < 1 or l < 1:
        raise ValueError("k and l are at least 1")
    if l > 1 and not sensitive:
        raise ValueError("l needs a sensitive column")
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[tuple(row.get(q, MISSING) for q in quasi)].append(index)
    stay, suppressed = [], []
    for members in groups.values():
        variety = len({rows[i].get(sensitive, MISSING) for i in members}) if sensitive else 0
        if len(members) < k or (sensitive and variety < l):
            suppressed += members
        else:
            stay.append((len(members), variety))
    return KReport(
        rows=len(rows),
        k=min((size for size, _ in stay), default=0),
        l=min((variety for _, variety in stay), default=0),
        classes=len(stay),
        smallest_before=min((len(m) for m in groups.values()), default=0),
        suppressed=tuple(sorted(suppressed)),
    )


def quasi_identifiers(patient: FhirJson) -> dict[str, str]:
    """The quasi-identifiers of a de-identified Patient: gender, year of birth, state, ZIP."""
    address: FhirJson = next(iter(patient.get("address", ())), {})
    return {
        "gender": patient.get("gender", MISSING),
        "birth_year": patient.get("birthDate", MISSING)[:4],
        "state": address.get("state", MISSING),
        "zip": address.get("postalCode", MISSING),
        "dead": MISSING
        if not {"deceasedBoolean", "deceasedDateTime"} & patient.keys()
        else str(patient.get("deceasedBoolean", True)).lower(),
    }
