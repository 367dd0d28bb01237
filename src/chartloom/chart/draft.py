"""A state while it is being merged: it hears statements, and becomes a state again."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart import apart
from chartloom.chart.merge_policy import Keyed, Parts, Together, policy_of
from chartloom.chart.statement import (
    IDENTITY,
    VOLATILE_META,
    by_key,
    children_of,
    form_of,
    in_order,
    larger,
    owner,
    plain_words,
    slice_of,
)
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

#: In ``Contribution.cleared``: the contribution is the whole resource (an update over REST), so
#: that elements it does not have are gone.
WHOLE: Final = "*"

#: Sorts before every statement.
_NEVER: Final = Stamp(-1, 0, 0)


class Draft:
    """Copies of a state's resource and stamps that may be changed by any number of statements.

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

    def hear(self, contribution: Contribution, stamp: Stamp) -> None:
        """One more statement; see :func:`chartloom.chart.merge.merge`."""
        cleared = contribution.cleared
        if WHOLE in cleared:
            self._state_whole(stamp)
        self._state_elements(contribution, stamp)
        for name in cleared:
            if name != WHOLE:
                self._clear(name, stamp)
        self.directory = contribution.directory
        self.version = max(self.version, stamp.position)
        if stamp > self._newest:
            self._newest = stamp
        if contribution.source_patient != self.source_patient:
            other = contribution.source_patient
            self.source_patient = owner(self.source_patient, other, self.stamps, stamp)

    # --- statements -----------------------------------------------------------------------------

    def _state_elements(self, contribution: Contribution, stamp: Stamp) -> None:
        """Offers every element of the contribution to its register."""
        incoming, weak = contribution.resource, contribution.weak
        form = form_of(incoming)
        default = Stamp(0, stamp.event_us, stamp.position) if weak else stamp
        plain = plain_words(form, weak)
        if stamp > self._newest:
            resource = self.resource
            for name in plain.stated:
                resource[name] = incoming[name]
            if form.extended or self.extended:
                self.extended = True
                for name in plain.unstated:
                    resource.pop(name, None)
            self.stamps.update(dict.fromkeys(plain.registers, stamp))
        else:
            self.extended |= form.extended
            for name in plain.registers:
                self._state_plain(name, incoming, stamp)
        for name in plain.defaults:
            self._state_plain(name, incoming, default)
        for group, names in form.groups:
            strong = not weak or any(name not in weak for name in names)
            self._state_group(group, names, incoming, stamp if strong else default)
        for name, rule in form.keyed:
            self._state_items(name, rule, incoming[name], default if name in weak else stamp)
        for name in form.parts:
            self._state_parts(name, incoming[name], default if name in weak else stamp)
        if form.has_meta:
            self._state_meta(incoming["meta"], stamp)

    def _state_plain(self, name: str, incoming: FhirJson, said: Stamp) -> None:
        old = self.stamps.get(name)
        if self.floor is not None and said < self.floor:
            return
        if old is None or old < said or (old == said and self._wins(name, incoming)):
            self.stamps[name] = said
            for part in (name, "_" + name):
                if part in incoming:
                    self.resource[part] = incoming[part]
                else:
                    self.resource.pop(part, None)

    def _state_group(
        self, group: Together, names: tuple[str, ...], incoming: FhirJson, said: Stamp
    ) -> None:
        stamps, resource = self.stamps, self.resource
        if self.floor is not None and said < self.floor:
            return
        held = [n for n in self.policy.members[group] if n in stamps]
        if held:
            old = max([stamps[n] for n in held])
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
        stamps = self.stamps
        whole = stamps.get(name)
        if (whole is not None and said < whole) or (self.floor is not None and said < self.floor):
            return
        held = self._held(name)
        for key, group in by_key(rule, items).items():
            register = f"{name}:{key}"
            old = stamps.get(register)
            body, value = apart.split(group, rule.apart)
            if old is None or old < said or (old == said and larger(body, held.get(key))):
                stamps[register] = said
                held[key] = body
            if rule.apart and len(group) > 1:
                self._end_apart(name, rule.apart, key, said)
            elif rule.apart:
                said_of = apart.stated(group, rule.apart)
                self._state_apart(f"{name}.{rule.apart}", key, said_of, value, said)

    def _state_apart(
        self, path: str, key: str, children: list[str], value: FhirJson, said: Stamp
    ) -> None:
        stamps = self.stamps
        ended = stamps.get(f"{path}:{key}")
        if ended is not None and said <= ended:
            return
        held = self._apart[path.partition(".")[0]].setdefault(key, {})
        for child in children:
            register = f"{path}.{child}:{key}"
            old, new = stamps.get(register), slice_of(value, [child])
            if old is None or old < said or (old == said and larger(new, slice_of(held, [child]))):
                stamps[register] = said
                for part in (child, "_" + child):
                    held.pop(part, None)
                held.update(new)

    def _end_apart(self, element: str, name: str, key: str, said: Stamp) -> None:
        """What items of this key stated apart until ``said`` is gone, also if it is heard later."""
        path = f"{element}.{name}"
        register, stamps = f"{path}:{key}", self.stamps
        floors = (self.floor, stamps.get(element), stamps.get(register))
        if any(floor is not None and said < floor for floor in floors):
            return
        stamps[register] = said
        self._held(element)
        forgotten = [r for r in stamps if r.startswith(path + ".") and stamps[r] <= said]
        apart.forget(
            stamps, self._apart[element], [r for r in forgotten if r.partition(":")[2] == key]
        )

    def _state_parts(self, name: str, value: FhirJson, said: Stamp) -> None:
        stamps = self.stamps
        whole = stamps.get(name)
        if (whole is not None and said < whole) or (self.floor is not None and said < self.floor):
            return
        held = dict(self.resource.get(name, {}))
        for child in children_of(value):
            register = f"{name}.{child}"
            old = stamps.get(register)
            if old is not None and (
                said < old
                or (said == old and not larger(slice_of(value, [child]), slice_of(held, [child])))
            ):
                continue
            stamps[register] = said
            for part in (child, "_" + child):
                if part in value:
                    held[part] = value[part]
                else:
                    held.pop(part, None)
        if held:  # nothing offered may have won, and nothing been there
            self.resource[name] = held
            self._objects.add(name)

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

    def _clear(self, name: str, said: Stamp) -> None:
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
        rule = self.policy[element]
        if isinstance(rule, Keyed) and rule.apart:
            self._end_apart(element, rule.apart, part, said)
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
        rule = self.policy[element]
        if isinstance(rule, Keyed) and rule.apart:
            stamps, below = self.stamps, f"{element}.{rule.apart}"
            forgotten = [r for r in stamps if r.startswith(below) and stamps[r] < than]
            apart.forget(stamps, self._apart[element], forgotten)

    def _state_whole(self, said: Stamp) -> None:
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
        meta.update((k, v) for k, v in resource["meta"].items() if k != "versionId")
        resource["meta"] = meta
        if tuple(resource) != self._properties_before:
            head = {name: resource.pop(name) for name in ("resourceType", "id", "meta")}
            resource = head | {name: resource[name] for name in sorted(resource)}
        if tuple(stamps) != self._registers_before:
            stamps = {name: stamps[name] for name in sorted(stamps)}
        return ResourceState(resource, self.source_patient, stamps, self.directory)
