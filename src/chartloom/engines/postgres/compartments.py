"""Which sensitivity labels a grant leaves closed, for queries; row-level security does the same."""

from __future__ import annotations

from chartloom.domain.grant import Grant
from chartloom.domain.labels import ALL_LABELS_MASK, mask_of_grant

#: Every bit of an ``int4`` that may ever stand for a label.
_BITS = 0x7FFF_FFFF


def forbidden(grant: Grant) -> int:
    """Mask of the labels that ``grant`` does not cover, those of the future too.

    A row is visible if it has none of them.
    """
    return _BITS & ~mask_of_grant(grant.labels)


def sees_everything(grant: Grant) -> bool:
    """Whether the grant covers all labels that there are, so that nothing need be looked at."""
    return mask_of_grant(grant.labels) == ALL_LABELS_MASK


def of_message(labels: int | None) -> int:
    """The mask of a message; nobody knows what one holds that was not applied yet."""
    return ALL_LABELS_MASK if labels is None else labels
