"""What statements take back, and two statements of one message about the same resource."""

from __future__ import annotations

from collections.abc import Iterable

from chartloom.domain.labels import labels_of
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.normalize.sensitivity import with_labels


def gone(cleared: list[str], out: FhirJson) -> tuple[str, ...]:
    """What was cleared and not stated all the same; ``=`` marks what a row clears in any case."""
    names = (c[1:] if c[0] == "=" else c if not is_stated(c, out) else "" for c in cleared)
    return tuple(dict.fromkeys(n for n in names if n))


def is_stated(element: str, out: FhirJson) -> bool:
    """Whether the resource says anything of the element: a value, or why there is none."""
    return element in out or "_" + element in out


def elements_of(properties: Iterable[str]) -> tuple[str, ...]:
    """The elements that JSON properties belong to: ``birthDate``, ``_birthDate`` are one."""
    return tuple(dict.fromkeys(name.removeprefix("_") for name in properties))


def joined(one: Contribution, other: Contribution) -> Contribution:
    """Two statements of one message about the same resource: the later one wins per element.

    A value and its extensions (``birthDate``, ``_birthDate``) are one element: they win together,
    so that no value is read with the other statement's extensions.
    """
    resource = {**one.resource}
    weak, cleared = set(one.weak), set(one.cleared)
    for element in elements_of(other.resource):
        if element in other.weak and is_stated(element, resource):
            continue
        for name in (element, "_" + element):
            if name in other.resource:
                resource[name] = other.resource[name]
            else:
                resource.pop(name, None)
        cleared.discard(element)
        weak.discard(element)
        if element in other.weak:
            weak.add(element)
    for element in other.cleared:
        resource.pop(element, None)
        resource.pop("_" + element, None)
        weak.discard(element)
        cleared.add(element)
    labels = one.labels | other.labels
    if labels:
        resource = with_labels(resource, labels_of(labels))
    return Contribution(
        resource, one.source_patient, False, tuple(sorted(weak)), tuple(sorted(cleared)), labels
    )
