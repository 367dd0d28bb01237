"""Sensitivity labels: what kind of harm a disclosure would do, as a small fixed vocabulary.

The codes are those of HL7 v3 ActCode (information sensitivity) and Confidentiality. A thing with
labels L is visible under a :class:`~chartloom.domain.grant.Grant` iff L is a subset of the grant's
labels; a thing without labels needs none. In the store a set of labels is an integer mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Label(StrEnum):
    """One kind of sensitivity. The order of members is their order of declaration."""

    PSY = "PSY"  #: behavioural and mental health
    ETH = "ETH"  #: substance use (42 CFR Part 2)
    HIV = "HIV"
    SEX = "SEX"  #: reproductive and sexual health
    SDV = "SDV"  #: sexual assault, abuse, domestic violence
    VIP = "VIP"  #: of the person: celebrity
    EMP = "EMP"  #: of the person: employee of this site
    R = "R"  #: restricted until labelled: from a sensitive source, and no rule has judged it


#: Which bit of a mask stands for a label. Masks are stored: a number is never changed or reused.
BIT: Final[dict[Label, int]] = {
    Label.PSY: 1 << 0,
    Label.ETH: 1 << 1,
    Label.HIV: 1 << 2,
    Label.SEX: 1 << 3,
    Label.SDV: 1 << 4,
    Label.VIP: 1 << 5,
    Label.EMP: 1 << 6,
    Label.R: 1 << 7,
}

#: Labels that are about the person rather than about one thing in the chart.
OF_THE_PERSON: Final = frozenset({Label.VIP, Label.EMP})

#: The bits of those.
PERSON_MASK: Final = sum(BIT[label] for label in OF_THE_PERSON)

#: The mask with every label.
ALL_LABELS_MASK: Final = sum(BIT.values())

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

#: The code system in which a label is written into ``meta.security``.
SYSTEM: Final[dict[Label, str]] = {
    label: _CONFIDENTIALITY if label is Label.R else _ACT_CODE for label in Label
}


def mask(labels: Iterable[Label]) -> int:
    """The mask of a set of labels; 0 for none."""
    result = 0
    for label in labels:
        result |= BIT[label]
    return result


def labels_of(mask: int) -> frozenset[Label]:
    """The labels of a mask. Raises ``ValueError`` for bits that stand for none."""
    if mask & ~ALL_LABELS_MASK:
        raise ValueError(f"{mask} is not a mask of known sensitivity labels")
    return frozenset(label for label, bit in BIT.items() if mask & bit)


def mask_of_grant(labels: Iterable[str]) -> int:
    """What ``Grant.labels`` covers, as a mask: ``("*",)`` is everything.

    Names that are no label cover nothing, so that a misspelt grant shows less, never more.
    """
    result = 0
    for name in labels:
        if name == "*":
            return ALL_LABELS_MASK
        if name in BIT:
            result |= BIT[Label(name)]
    return result


def visible(thing: int, grant: int) -> bool:
    """Whether a thing with mask ``thing`` may be shown under a grant that covers mask ``grant``."""
    return not thing & ~grant


def security(labels: Iterable[Label]) -> list[dict[str, str]]:
    """The codings for ``meta.security``, in the order of declaration."""
    wanted = frozenset(labels)
    return [{"system": SYSTEM[label], "code": label.value} for label in Label if label in wanted]
