"""What statements take back, and two statements of one message about the same resource."""

from __future__ import annotations

from chartloom.domain.labels import labels_of
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.normalize.sensitivity import with_labels


def gone(cleared: list[str], out: FhirJson) -> tuple[str, ...]:
    """What was cleared and not stated all the same; ``=`` marks what a row clears in any case."""
    names = (c[1:] if c[0] == "=" else c if c not in out else "" for c in cleared)
    return tuple(dict.fromkeys(n for n in names if n))


def joined(one: Contribution, other: Contribution) -> Contribution:
    """Two statements of one message about the same resource: the later one wins per element."""
    resource = {**one.resource}
    weak, cleared = set(one.weak), set(one.cleared)
    for name, value in other.resource.items():
        if name in other.weak and name in resource:
            continue
        resource[name] = value
        cleared.discard(name)
        weak.discard(name)
        if name in other.weak:
            weak.add(name)
    for name in other.cleared:
        resource.pop(name, None)
        weak.discard(name)
        cleared.add(name)
    labels = one.labels | other.labels
    if labels:
        resource = with_labels(resource, labels_of(labels))
    return Contribution(
        resource, one.source_patient, False, tuple(sorted(weak)), tuple(sorted(cleared)), labels
    )
