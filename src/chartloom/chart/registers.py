"""The registers of a state while it is being merged, and the state that they become again."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart import apart
from chartloom.chart.compartments import in_effect, with_labels, without_labels
from chartloom.chart.merge_policy import Keyed, Together, policy_of
from chartloom.chart.since import WATCHED, Held, seeded, told
from chartloom.chart.statement import by_key, children_of, form_of, in_order, larger, slice_of
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

#: In ``Contribution.cleared``: the contribution is the whole resource (an update over REST), so
#: that elements it does not have are gone.
WHOLE: Final = "*"

#: Sorts before every statement.
_NEVER: Final = Stamp(-1, 0, 0)


class Registers:
    """Copies of a state's resource and stamps, which may be changed.

    Keyed lists that were touched are held by key in ``_items`` until :meth:`finish`. No stamp is
    above ``_newest``: what was said after it wins everywhere, which is the usual case and needs no
    comparing of stamps.
    """

    def __init__(self, state: ResourceState | None, contribution: Contribution) -> None:
        self.policy = policy_of(contribution.type)
        self.directory = contribution.directory
        self._items: dict[str, dict[str, list[Any]]] = {}
        #: What items state apart, by element and key, while they are held in ``_items``.
        self._apart: dict[str, dict[str, FhirJson]] = {}
        self._objects: set[str] = set()
        self.stamps: dict[str, Stamp]
        self.resource: FhirJson
        #: What messages said, what people said of it, and every label that stands in ``meta``.
        self.words = {} if state is None else dict(state.words)
        self.said = 0 if state is None else state.said if state.words else state.labels
        self.labels = 0 if state is None else state.labels | state.said
        self.is_word_only = state is not None and state.is_word_only
        #: Elements of which it is kept since when they hold.
        self.watched = WATCHED.get(contribution.type, ())
        self.held: Held = seeded(state) if state is not None and self.watched else {}
        if state is None:
            incoming = contribution.resource
            self.source_patient = contribution.source_patient
            self.stamps = {}
            self.resource = {
                "resourceType": incoming["resourceType"],
                "id": incoming["id"],
                "meta": {},
            }
            self.version, self._newest, self.extended = 0, _NEVER, False
        else:
            self.source_patient = state.source_patient
            self.stamps = dict(state.stamps)
            self.resource = dict(state.resource)
            self.version = int(self.resource["meta"]["versionId"])
            self._newest = max(self.stamps.values(), default=_NEVER)
            self.extended = form_of(self.resource).extended
        self._registers_before = tuple(self.stamps)
        self._properties_before = tuple(self.resource)
        self.floor = self.stamps.get(WHOLE)

    def _held(self, element: str) -> dict[str, list[Any]]:
        """The items of a keyed list by key, to be changed in place."""
        held = self._items.get(element)
        if held is None:
            rule = self.policy[element]
            assert isinstance(rule, Keyed)
            held = self._items[element] = by_key(rule, self.resource.get(element, ()))
            values = self._apart[element] = {}
            for key, group in held.items() if rule.apart else ():
                held[key], value = apart.split(group, rule.apart)
                values[key] = dict(value)
        return held

    def _part_names(self, element: str) -> set[str]:
        rule = self.policy[element]
        if isinstance(rule, Keyed):
            return set(self._held(element))
        return set(children_of(self.resource.get(element, {})))

    def _keep_parts(self, element: str, keep: Any) -> None:
        rule = self.policy[element]
        if isinstance(rule, Keyed):
            held = self._held(element)
            self._items[element] = {k: v for k, v in held.items() if keep(k)}
            return
        parts = self.resource.pop(element, {})
        if kept := {c: v for c, v in parts.items() if keep(c.removeprefix("_"))}:
            self.resource[element] = kept

    def _group_stamp(self, group: Together) -> Stamp | None:
        stamps = self.stamps
        return max((stamps[n] for n in self.policy.members[group] if n in stamps), default=None)

    def _drop_group(self, group: Together) -> None:
        for name in self.policy.members[group]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self.stamps.pop(name, None)
        self.resource.pop(name, None)
        self.resource.pop("_" + name, None)

    def _wins(self, name: str, incoming: FhirJson) -> bool:
        return larger(slice_of(incoming, (name,)), slice_of(self.resource, (name,)))

    def _wins_group(self, held: list[str], names: tuple[str, ...], incoming: FhirJson) -> bool:
        return larger(slice_of(incoming, names), slice_of(self.resource, held))

    def finish(self) -> ResourceState:
        """The new state, with properties in an order that does not depend on history.

        The draft gives its dictionaries away and must not be used any more.
        """
        resource, stamps = self.resource, self.stamps
        for name, held in self._items.items():
            rule = self.policy[name]
            if held and isinstance(rule, Keyed):
                resource[name] = in_order(rule, apart.join_all(held, rule.apart, self._apart[name]))
            else:
                resource.pop(name, None)
        for name in self._objects:
            if name in resource:
                resource[name] = dict(sorted(resource[name].items()))
        meta = {"versionId": str(self.version)}
        said = without_labels(resource["meta"], self.labels)
        meta.update((k, v) for k, v in said.items() if k != "versionId")
        labels = in_effect(self.said, self.words)
        resource["meta"] = with_labels(meta, labels)
        if tuple(resource) != self._properties_before:
            head = {name: resource.pop(name) for name in ("resourceType", "id", "meta")}
            resource = head | {name: resource[name] for name in sorted(resource)}
        if tuple(stamps) != self._registers_before:
            stamps = {name: stamps[name] for name in sorted(stamps)}
        since = told(self.held, resource, stamps) if self.watched else {}
        return ResourceState(
            resource,
            self.source_patient,
            stamps,
            self.directory,
            labels,
            since,
            {key: self.words[key] for key in sorted(self.words)},
            self.said if self.words else 0,
        )
