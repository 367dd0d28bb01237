"""A state while it is being merged: it hears statements, and becomes a state again."""

from __future__ import annotations

from typing import Any

from chartloom.chart import apart
from chartloom.chart.compartments import hear_words, labels_said, without_labels
from chartloom.chart.merge_policy import Keyed, Parts, Together
from chartloom.chart.registers import WHOLE, Registers
from chartloom.chart.since import note
from chartloom.chart.statement import (
    IDENTITY,
    VOLATILE_META,
    by_key,
    children_of,
    form_of,
    larger,
    owner,
    plain_words,
    slice_of,
)
from chartloom.domain.resource import Contribution, FhirJson, Stamp


class Draft(Registers):
    """A state that hears any number of statements, until :meth:`finish`."""

    def hear(self, contribution: Contribution, stamp: Stamp) -> None:
        """One more statement; see :func:`chartloom.chart.merge.merge`."""
        if contribution.words:  # it says nothing of what the resource says, nor whose it is
            hear_words(self.words, contribution, stamp)
            self.version = max(self.version, stamp.position)
            return
        cleared = contribution.cleared
        if contribution.labels:
            self.said |= labels_said(contribution)
            self.labels |= self.said
        if WHOLE in cleared:
            self._state_whole(stamp)
        self._state_elements(contribution, stamp)
        for name in self.watched:
            note(self.held, name, contribution.resource, stamp.event_us)
        for name in cleared:
            if name != WHOLE:
                self._clear(name, stamp)
        self.directory = contribution.directory
        self.version = max(self.version, stamp.position)
        if stamp > self._newest:
            self._newest = stamp
        if self.is_word_only:
            self.source_patient, self.is_word_only = contribution.source_patient, False
        elif contribution.source_patient != self.source_patient:
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
            self._state_meta(without_labels(incoming["meta"], labels_said(contribution)), stamp)

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
        there = without_labels(self.resource["meta"], self.labels)
        held = {k: v for k, v in there.items() if k != "versionId"}
        if old is None or old < said or (old == said and larger(content, held)):
            self.stamps["meta"] = said
            self.resource["meta"] = content

    # --- retractions ----------------------------------------------------------------------------

    def _clear(self, name: str, said: Stamp) -> None:
        """A source said that an element, or one key or child of it, is gone."""
        if name in IDENTITY or self._clear_apart(name, said):
            return
        below_floor = self.floor is not None and said <= self.floor
        for mark in (":", "."):
            element, found, part = name.partition(mark)
            rule = self.policy[element] if found else None
            if isinstance(rule, Keyed) and rule.apart and below_floor:
                self._end_apart(element, rule.apart, part, said)  # it also holds at the floor
            elif isinstance(rule, Keyed | Parts) and not below_floor:
                self._clear_part(element, part, name, said)
                return
        if below_floor:
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

    def _clear_apart(self, name: str, said: Stamp) -> bool:
        """``location.period.end:<key>``: says what a period without that child says."""
        path, found, key = name.partition(":")
        element, _, below = path.partition(".")
        rule = self.policy[element] if found and below else None
        if not isinstance(rule, Keyed) or not rule.apart:
            return False
        _, _, child = below.partition(".")
        floors = (self.floor, self.stamps.get(element))
        if below == rule.apart:
            self._end_apart(element, rule.apart, key, said)
        elif not any(floor is not None and said < floor for floor in floors):
            self._held(element)
            self._state_apart(f"{element}.{rule.apart}", key, [child], {}, said)
        return True

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
