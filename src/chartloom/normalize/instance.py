"""Occurrences of groups, and what of them is looked at while a resource is made."""

from __future__ import annotations

from typing import Any

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment

#: What was looked at beside a resource's own segments: (kind of question, question, answer).
Reads = list[tuple[str, Any, Any]]
#: The kind of a question whose answer cannot be compared.
UNSURE = "unsure"
#: So many segments of groups beside are compared; a resource that looked at more is made anew.
_BESIDE_MAX = 16


class Instance:
    """One occurrence of a group: its segments, its sub-groups, the resources it yields."""

    __slots__ = (
        "_here",
        "_lists",
        "_outside",
        "_own",
        "_views",
        "children",
        "group",
        "held",
        "ids",
        "parent",
        "patient",
        "reads",
        "sight",
    )

    def __init__(self, group: str, parent: Instance | None) -> None:
        self.group, self.parent = group, parent
        self.held: dict[str, list[Segment]] = {}  #: its segments by name
        self.reads: Reads | None = None  #: notes what is looked at, if not None
        self.children: list[Instance] = []
        self.ids: dict[str, tuple[str, str]] = {}  #: role -> (resource type, id)
        self.patient = ""
        #: its segments and, where it has none of a name, those of the groups around it
        self.sight: dict[str, list[Segment]] = self.held
        self._own: dict[str, FhirJson] | None = None
        self._here: dict[str, FhirJson] = {}
        self._outside: dict[str, FhirJson] | None = None
        self._views: dict[str, dict[str, FhirJson]] = {}
        self._lists: dict[tuple[str, str], list[FhirJson]] | None = None

    @property
    def segments(self) -> dict[str, list[Segment]]:
        """Its segments by name, for functions."""
        if self.reads is not None:
            self.reads.append((UNSURE, None, None))
        return self.held

    def find(self, name: str) -> list[Segment] | None:
        """The segments of that name here or in the nearest enclosing group."""
        if self.reads is not None:
            self.reads.append((UNSURE, None, None))
        return self.sight.get(name)

    def first(self, name: str, field: int, comp: int = 1) -> str:
        """A value (component, unescaped) of the first such segment in sight, or ``""``."""
        found = self.sight.get(name)
        value = ""
        if found is not None:
            segment = found[0]
            fields = segment.fields
            value = fields[field] if field < len(fields) else ""
            if value and (comp > 1 or not value.isalnum()):
                value = segment.value(field, 1, comp or 1, 1)
        if self.reads is not None:
            self.reads.append(("first", (name, field, comp), value))
        return value

    def id_of(self, role: str) -> tuple[str, str] | None:
        """(type, id) of a role here, in an enclosing group, or in one of their sub-groups.

        A group that is repeated is no context of its repetitions: an order without a specimen does
        not have that of the order before.
        """
        found = self._id_of(role)
        if self.reads is not None:
            self.reads.append(("id", role, found))
        return found

    def _id_of(self, role: str) -> tuple[str, str] | None:
        at: Instance | None = self
        came = ""
        while at is not None:
            found = at.ids.get(role)
            if found is not None:
                return found
            for child in at.children:
                if child.group != came and role in child.ids:
                    return child.ids[role]
            came, at = at.group, at.parent
        return None

    def ref(self, role: str) -> FhirJson | None:
        """A reference to the resource in that role, or None if there is none.

        To be called when all ids are known. Equal references are one object, not to be changed.
        """
        outside = self._outside
        if outside is None:
            outside = self._look_around()
        value = self._here.get(role) or outside.get(role)
        if self.reads is not None:
            self.reads.append(("ref", role, value))
        return value

    def _look_around(self) -> dict[str, FhirJson]:
        """Makes the references to what is here and right below; finds those to what is around."""
        here = self._references()
        if self.children:
            here = {**self._below(""), **here}
        self._here = here
        parent = self.parent
        self._outside = {} if parent is None else parent._seen_from(self.group)
        return self._outside

    def _references(self) -> dict[str, FhirJson]:
        """The references to what is here, by role."""
        if self._own is None:
            self._own = {r: {"reference": f"{k}/{id}"} for r, (k, id) in self.ids.items()}
        return self._own

    def _below(self, came: str) -> dict[str, FhirJson]:
        """Those to the first of each role in the sub-groups but ``came``."""
        found: dict[str, FhirJson] = {}
        for child in self.children:
            if child.group != came:
                for role, reference in child._references().items():
                    found.setdefault(role, reference)
        return found

    def _seen_from(self, came: str) -> dict[str, FhirJson]:
        """Those that an instance of the sub-group ``came`` sees beside its own; not to be changed.

        Remembered, for thousands of results in one order may ask.
        """
        known = self._views.get(came)
        if known is None:
            parent = self.parent
            outside = {} if parent is None else parent._seen_from(self.group)
            known = {**outside, **self._below(came), **self._references()}
            self._views[came] = known
        return known

    def refs(self, role: str) -> list[FhirJson]:
        """References to all resources in that role here and below, else to those of the nearest
        enclosing group: its own, or all beside this one in it."""
        result: list[FhirJson] = []
        if self.children or role in self.ids:
            self._collect(role, result)
        at, came = self.parent, self.group
        while at is not None and not result:
            result = at._around(role, came)
            came, at = at.group, at.parent
        if self.reads is not None:
            self.reads.append(("refs", role, result))
        return result

    def beside(self, role: str, name: str) -> list[tuple[str, Segment]]:
        """The segments of a name in the groups beside this one that yield a resource in that role,
        each with the reference to it."""
        found: list[tuple[str, Segment]] = []
        for group in self.parent.children if self.parent is not None else ():
            if role in group.ids:
                reference = "/".join(group.ids[role])
                found += [(reference, segment) for segment in group.held.get(name, ())]
        if self.reads is not None:
            said = [(reference, segment.fields) for reference, segment in found[:_BESIDE_MAX]]
            kind = "beside" if len(found) <= _BESIDE_MAX else UNSURE
            self.reads.append((kind, (role, name), said))
        return found

    def _around(self, role: str, came: str) -> list[FhirJson]:
        """This group's own, or those of its sub-groups but ``came``; not to be changed.

        Remembered, for thousands of results in one order may ask.
        """
        if self._lists is None:
            self._lists = {}
        known = self._lists.get((came, role))
        if known is None:
            inside = role in self.ids
            beside = [self] if inside else [c for c in self.children if c.group != came]
            known = [c._references()[role] for c in beside if role in c.ids]
            self._lists[came, role] = known
        return known

    def _collect(self, role: str, result: list[FhirJson]) -> None:
        if role in self.ids:
            result.append(self._references()[role])
        for child in self.children:
            child._collect(role, result)
