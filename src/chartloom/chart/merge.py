"""The state of a resource: the merge of everything that messages said about it.

Every element is a register that holds the statement with the highest
:class:`~chartloom.domain.resource.Stamp`. Taking the highest is commutative, associative and
idempotent, so late, repeated and out-of-order messages end in the same state as in-order ones.
Which elements form one register is said in :mod:`chartloom.chart.merge_policy`.

Keys of ``ResourceState.stamps``:

=====================  ==========================================================================
``birthDate``          a property that is present, or an element that was cleared
``value[x]``           a group that was cleared (while present, its properties carry the stamp)
``location:<key>``     the items of a keyed list with this key, present or cleared
``period.start``       a child of an object merged by parts
``location``           of a keyed list or an object by parts: when it was cleared as a whole
``*``                  when a source last stated the whole resource: what is older is gone
=====================  ==========================================================================
"""

from __future__ import annotations

from typing import Any

from chartloom.chart.merge_policy import Keyed, Parts, Together, policy_of
from chartloom.chart.statement import (
    IDENTITY,
    VOLATILE_META,
    by_key,
    first_statement,
    in_order,
    larger,
    slice_of,
)
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

#: In ``Contribution.cleared``: the contribution is the whole resource (an update over REST), so
#: that elements it does not have are gone.
WHOLE = "*"


def merge(state: ResourceState | None, contribution: Contribution, stamp: Stamp) -> ResourceState:
    """``state`` after hearing ``contribution``; neither is changed.

    ``stamp`` is the message's (strength 1); elements in ``contribution.weak`` get strength 0.
    ``contribution.cleared`` may hold ``element``, ``element:key`` (one key of a keyed list),
    ``element.child`` (one child of an object by parts) or :data:`WHOLE`. Equal stamps with
    different content fall back to comparing canonical bytes, so that the order of calls never
    matters. ``meta.versionId`` is the highest position that contributed.
    """
    if state is None and not contribution.weak and not contribution.cleared:
        return first_statement(contribution, stamp)
    draft = _Draft(state, contribution, stamp)
    if WHOLE in contribution.cleared:
        draft.state_whole(stamp)
    draft.state_elements(contribution, stamp)
    for name in contribution.cleared:
        if name != WHOLE:
            draft.clear(name, stamp)
    return draft.finish(stamp.position)


def stamp_of(state: ResourceState, element: str, item: Any = None) -> Stamp | None:
    """Who said the value of a top-level property last.

    ``item``: for a list merged by key, the item of interest. Without it, the newest stamp of any
    item or part is returned. None if nobody ever stated it.
    """
    stamps = state.stamps
    rule = policy_of(state.type)[element]
    if isinstance(rule, Keyed) and item is not None:
        return stamps.get(f"{element}:{rule.key(item)}")
    found = stamps.get(element.removeprefix("_"))
    if isinstance(rule, Keyed | Parts):
        prefix = f"{element}:" if isinstance(rule, Keyed) else f"{element}."
        found = max((s for k, s in stamps.items() if k.startswith(prefix)), default=found)
    if found is None and isinstance(rule, Together):
        found = stamps.get(rule.name)
    return found


class _Draft:
    """A state being merged: copies of resource and stamps that may be changed."""

    def __init__(
        self, state: ResourceState | None, contribution: Contribution, stamp: Stamp
    ) -> None:
        self.policy = policy_of(contribution.type)
        self.directory = contribution.directory
        self.source_patient = contribution.source_patient
        self.other_owner = ""
        self.stamp = stamp
        self.weak_stamp = Stamp(0, stamp.event_us, stamp.position)
        if state is None:
            self.stamps: dict[str, Stamp] = {}
            incoming = contribution.resource
            self.resource: FhirJson = {
                "resourceType": incoming["resourceType"],
                "id": incoming["id"],
                "meta": {},
            }
            self.version = 0
        else:
            self.stamps = dict(state.stamps)
            self.resource = dict(state.resource)
            self.version = int(self.resource["meta"]["versionId"])
            self.policy.meet(self.resource)
            if state.source_patient != contribution.source_patient:
                self.other_owner = state.source_patient
        self.floor = self.stamps.get(WHOLE)

    # --- statements -----------------------------------------------------------------------------

    def state_elements(self, contribution: Contribution, stamp: Stamp) -> None:
        """Offers every element of the contribution to its register."""
        incoming, weak, policy = contribution.resource, contribution.weak, self.policy
        stamps, resource, floor = self.stamps, self.resource, self.floor
        groups: dict[Together, list[Any]] = {}
        for name, value in incoming.items():
            if name in IDENTITY:
                continue
            if name[0] == "_":
                name = name[1:]
                if name in incoming:  # stated together with its value, below
                    continue
                value = None
            said = self.weak_stamp if name in weak else stamp
            rule = policy[name]
            if floor is not None and said < floor and not isinstance(rule, Together):
                continue
            if rule is None:
                old = stamps.get(name)
                if old is None or old < said or (old == said and self._wins(name, incoming)):
                    stamps[name] = said
                    extended = "_" + name
                    if value is None:
                        resource.pop(name, None)
                    else:
                        resource[name] = value
                    if extended in incoming:
                        resource[extended] = incoming[extended]
                    elif extended in resource:
                        del resource[extended]
            elif isinstance(rule, Together):
                group = groups.get(rule)
                if group is None:
                    groups[rule] = [said, name]
                else:
                    group[0] = max(group[0], said)
                    group.append(name)
            elif isinstance(rule, Keyed):
                self._state_items(name, rule, value or [], said)
            else:
                self._state_parts(name, value, said)
        for rule, (said, *names) in groups.items():
            self._state_group(rule, names, incoming, said)
        if "meta" in incoming:
            self._state_meta(incoming["meta"], stamp)

    def _state_group(
        self, group: Together, names: list[str], incoming: FhirJson, said: Stamp
    ) -> None:
        stamps, resource = self.stamps, self.resource
        if self.floor is not None and said < self.floor:  # as strong as its strongest member
            return
        held = [n for n in self.policy.members[group] if n in stamps]
        if held:
            old = max(stamps[n] for n in held)
            if old > said or (old == said and not self._wins_group(held, names, incoming)):
                return
            for name in held:
                self._drop(name)
        for name in names:
            stamps[name] = said
            if name in incoming:
                resource[name] = incoming[name]
            extended = "_" + name
            if extended in incoming:
                resource[extended] = incoming[extended]

    def _state_items(self, name: str, rule: Keyed, items: list[Any], said: Stamp) -> None:
        whole = self.stamps.get(name)
        if whole is not None and said < whole:
            return
        offered = by_key(rule, items)
        held = by_key(rule, self.resource.get(name, ()))
        for key, group in offered.items():
            register = f"{name}:{key}"
            old = self.stamps.get(register)
            if old is None or old < said or (old == said and larger(group, held.get(key))):
                self.stamps[register] = said
                held[key] = group
        self._put_items(name, rule, held)

    def _state_parts(self, name: str, value: FhirJson, said: Stamp) -> None:
        whole = self.stamps.get(name)
        if whole is not None and said < whole:
            return
        held = dict(self.resource.get(name, {}))
        for child in dict.fromkeys(c.removeprefix("_") for c in value):
            register = f"{name}.{child}"
            old = self.stamps.get(register)
            pair = {n: value[n] for n in (child, "_" + child) if n in value}
            held_pair = {n: held[n] for n in (child, "_" + child) if n in held}
            if old is None or old < said or (old == said and larger(pair, held_pair)):
                self.stamps[register] = said
                for gone in held_pair:
                    del held[gone]
                held.update(pair)
        if held:  # nothing offered may have won, and nothing been there
            self.resource[name] = dict(sorted(held.items()))

    def _state_meta(self, meta: FhirJson, said: Stamp) -> None:
        """Tags, labels and profiles are a register; the version is ours and set at the end."""
        content = {k: v for k, v in meta.items() if k not in VOLATILE_META}
        old = self.stamps.get("meta")
        if not content or (self.floor is not None and said < self.floor):
            return
        held = {k: v for k, v in self.resource["meta"].items() if k != "versionId"}
        if old is None or old < said or (old == said and larger(content, held)):
            self.stamps["meta"] = said
            self.resource["meta"] = content

    # --- retractions ----------------------------------------------------------------------------

    def clear(self, name: str, said: Stamp) -> None:
        """A source said that an element, or one key or child of it, is gone."""
        if name in IDENTITY or (self.floor is not None and said <= self.floor):
            return
        for mark in (":", "."):
            element, found, part = name.partition(mark)
            if found and isinstance(self.policy[element], Keyed | Parts):
                self._clear_part(element, part, name, said)
                return
        rule = self.policy[name]
        if isinstance(rule, Together):
            old = self._group_stamp(rule)
            if rule.clearable and (old is None or old < said):
                self._drop_group(rule)
                self.stamps[rule.name] = said
        elif rule is None:
            old = self.stamps.get(name)
            if old is None or old < said:
                self._drop(name)
                self.stamps[name] = said
        else:
            self._clear_parts(name, said)

    def _clear_part(self, element: str, part: str, register: str, said: Stamp) -> None:
        old, whole = self.stamps.get(register), self.stamps.get(element)
        if (old is not None and said <= old) or (whole is not None and said <= whole):
            return
        self.stamps[register] = said
        self._keep_parts(element, lambda name: name != part)

    def _clear_parts(self, element: str, said: Stamp) -> None:
        whole = self.stamps.get(element)
        if whole is not None and said <= whole:
            return
        self.stamps[element] = said
        self._forget_older(element, said)

    def _forget_older(self, element: str, than: Stamp) -> None:
        """Drops items and parts older than ``than``, and retractions that it makes redundant."""
        mark = ":" if isinstance(self.policy[element], Keyed) else "."
        prefix, present = element + mark, self._part_names(element)
        kept = set()
        for register in [r for r in self.stamps if r.startswith(prefix)]:
            part, at = register[len(prefix) :], self.stamps[register]
            if at < than or (at == than and part not in present):
                del self.stamps[register]
            else:
                kept.add(part)
        self._keep_parts(element, lambda name: name in kept)

    def state_whole(self, said: Stamp) -> None:
        """Everything that is older than ``said`` is gone, whether or not it is stated again."""
        if self.floor is not None and said <= self.floor:
            return
        self.floor = self.stamps[WHOLE] = said
        for register in [r for r in self.stamps if self.stamps[r] <= said and r != WHOLE]:
            self._forget_register(register, said)

    def _forget_register(self, register: str, floor: Stamp) -> None:
        at = self.stamps.get(register)
        if at is None:  # went together with another one
            return
        if register == "meta":
            if at < floor:
                self.resource["meta"] = {}
                del self.stamps["meta"]
            return
        element = register
        for mark in (":", "."):
            head, found, _ = register.partition(mark)
            if found and isinstance(self.policy[head], Keyed | Parts):
                element = head
        if isinstance(self.policy[element], Keyed | Parts):
            if self.stamps.get(element, floor) <= floor:
                self.stamps.pop(element, None)
            self._forget_older(element, floor)
        elif at < floor or (register not in self.resource and "_" + register not in self.resource):
            self._drop(register)

    # --- helpers --------------------------------------------------------------------------------

    def _part_names(self, element: str) -> set[str]:
        rule, held = self.policy[element], self.resource.get(element)
        if held is None:
            return set()
        if isinstance(rule, Keyed):
            return set(by_key(rule, held))
        return {child.removeprefix("_") for child in held}

    def _keep_parts(self, element: str, keep: Any) -> None:
        rule, held = self.policy[element], self.resource.get(element)
        if held is None:
            return
        if isinstance(rule, Keyed):
            kept = {k: v for k, v in by_key(rule, held).items() if keep(k)}
            self._put_items(element, rule, kept)
        else:
            self.resource[element] = {c: v for c, v in held.items() if keep(c.removeprefix("_"))}
        if not self.resource.get(element):
            self.resource.pop(element, None)

    def _put_items(self, name: str, rule: Keyed, held: dict[str, list[Any]]) -> None:
        if items := in_order(rule, held):
            self.resource[name] = items
        else:
            self.resource.pop(name, None)

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
        return larger(slice_of(incoming, [name]), slice_of(self.resource, [name]))

    def _wins_group(self, held: list[str], names: list[str], incoming: FhirJson) -> bool:
        return larger(slice_of(incoming, names), slice_of(self.resource, held))

    def _owner(self) -> str:
        """Whose compartment it is in when sources moved it: follows the winning subject."""
        for name in ("subject", "patient", "beneficiary"):
            if at := self.stamps.get(name):
                return self.source_patient if at == self.stamp else self.other_owner
        return max(self.source_patient, self.other_owner)

    def finish(self, position: int) -> ResourceState:
        """The new state, with properties in an order that does not depend on history."""
        resource, stamps = self.resource, self.stamps
        content = {k: v for k, v in resource.pop("meta").items() if k != "versionId"}
        ordered: FhirJson = {
            "resourceType": resource.pop("resourceType"),
            "id": resource.pop("id"),
            "meta": {"versionId": str(max(self.version, position)), **content},
        }
        for name in sorted(resource):
            ordered[name] = resource[name]
        return ResourceState(
            resource=ordered,
            source_patient=self._owner() if self.other_owner else self.source_patient,
            stamps={name: stamps[name] for name in sorted(stamps)},
            directory=self.directory,
        )
