"""Sensitivity labels of a state: once said, they stay, whatever is said later.

``ResourceState.labels`` is the union over all contributions. Its codings stand in
``meta.security`` of the state, next to the codings that are statements of a source and merged like
others. Labels of the person (VIP, EMP) make no compartment. What people said of labels
(``domain.label_words``) stands above that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from chartloom.domain.label_words import LabelWord, standing
from chartloom.domain.labels import PERSON_MASK, labels_of, security
from chartloom.domain.resource import Contribution, FhirJson, Stamp


def labels_said(contribution: Contribution) -> int:
    """The mask that a contribution adds to its resource."""
    return contribution.labels & ~PERSON_MASK


def in_effect(said: int, words: Mapping[str, LabelWord]) -> int:
    """The mask of a resource of which messages said ``said`` and people ``words``."""
    return standing(words.values()).over(said) & ~PERSON_MASK if words else said


def hear_words(words: dict[str, LabelWord], contribution: Contribution, stamp: Stamp) -> None:
    """Adds what a contribution says of labels: of each person the last word of a kind stays."""
    for one in contribution.words:
        word = msgspec.structs.replace(one, event_us=stamp.event_us, position=stamp.position)
        held = words.get(word.key)
        if held is None or (held.at, held.reason) < (word.at, word.reason):
            words[word.key] = word


@lru_cache(maxsize=256)
def _codings(labels: int) -> tuple[dict[str, str], ...]:
    return tuple(security(labels_of(labels)))


def without_labels(meta: FhirJson, labels: int) -> FhirJson:
    """``meta`` without the codings of these labels: what is a statement of the source."""
    if not labels or "security" not in meta:
        return meta
    ours = _codings(labels)
    left = [coding for coding in meta["security"] if coding not in ours]
    result = {name: value for name, value in meta.items() if name != "security"}
    if left:
        result["security"] = left
    return result


def with_labels(meta: FhirJson, labels: int) -> FhirJson:
    """``meta`` with the codings of these labels, after those of sources."""
    if not labels:
        return meta
    others = without_labels(meta, labels).get("security", ())
    return {**meta, "security": [*others, *_codings(labels)]}
