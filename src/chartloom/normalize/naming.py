"""Ids of all resources of a message, before any of them is filled: they refer to each other."""

from __future__ import annotations

from collections.abc import Iterator

from chartloom.domain.ids import source_patient_id
from chartloom.formats.hl7v2 import pick_patient
from chartloom.normalize.compile_keys import value_function
from chartloom.normalize.context import MEMO_ENTRIES_MAX, MEMO_LENGTH_MAX, Instance, Msg
from chartloom.normalize.engine import Builder
from chartloom.normalize.provenance import PROVENANCE


class Naming:
    """Gives the instances of one message their patients and their resources ids."""

    def __init__(self, m: Msg, sha256: bytes) -> None:
        self.m, self.tree = m, m.tree
        self.source_patient = ""
        self.groups: set[str] = set()  #: of which the message has an instance
        self.provenance_id = m.env.make_id(PROVENANCE, m.env.feed.name, sha256.hex())
        self.seen: dict[tuple[str, ...], int] = {}
        self.split: dict[str, str] = {}  #: id -> what it stands for, where a number may be shared

    def patient(self, instance: Instance) -> None:
        m = self.m
        env = m.env
        segment = instance.held["PID"][0]
        key = (self.tree.charset, segment.line)
        patient = env.patients.get(key, "") if segment.line else ""
        if not patient:
            authority, identifier = pick_patient(segment)
            if not identifier:
                m.issue("key-missing", segment, 3, 0, "Patient")
                return
            patient = source_patient_id(env.namespace, env.scope, authority, identifier)
            if segment.line and len(segment.line) <= MEMO_LENGTH_MAX:
                if len(env.patients) >= MEMO_ENTRIES_MAX:
                    env.patients.clear()
                env.patients[key] = patient
        instance.patient = patient
        if not self.source_patient:
            self.source_patient = patient

    def resource(self, builder: Builder, instance: Instance) -> bool:
        """Gives the resource its id; False if there is none to be made."""
        definition = builder.definition
        kind, role = definition.type, definition.role
        if kind == PROVENANCE:
            instance.ids[role] = (PROVENANCE, self.provenance_id)
            return True
        if not instance.patient or builder.segments.isdisjoint(instance.held):
            return False
        if role in instance.ids or (builder.needs and not builder.needed(instance, self.tree)):
            return False
        if definition.unless and self._is_barred(definition.unless, instance):
            return False
        if kind == "Patient":
            instance.ids[role] = ("Patient", instance.patient)
            return True
        key = builder.key(instance, self.tree, self.seen)
        if key is None:
            self._complain(builder, instance)
            return False
        id = self.m.env.make_id(kind, instance.patient, *key)
        if definition.splits:
            id = self._split(builder, instance, id, key)
        instance.ids[role] = (kind, id)
        return True

    def _split(self, builder: Builder, instance: Instance, id: str, key: tuple[str, ...]) -> str:
        """Two things under one number: the first has the number's id, others one of their own."""
        reads = tuple((s.segment, s.field, s.comp) for s in builder.definition.splits)
        what = value_function(reads)(instance, self.tree)
        if not what or self.split.setdefault(id, what) == what:
            return id
        self.m.issue("number-shared", next(iter(instance.held.values()))[0])
        return self.m.env.make_id(builder.definition.type, instance.patient, *key, what)

    def _is_barred(self, unless: tuple[str, ...], instance: Instance) -> bool:
        """Whether one of these groups occurs inside."""
        return not self.groups.isdisjoint(unless) and any(
            below.group in unless for below in _walk(instance)
        )

    def _complain(self, builder: Builder, instance: Instance) -> None:
        keys = builder.definition.keys
        wanted = ", ".join(s.text for part in (keys[0] if keys else ()) for s in part.sources)
        segment = next(iter(instance.held.values()))[0]
        self.m.issue("key-missing", segment, 0, 0, f"{builder.definition.type}: {wanted}")


def _walk(instance: Instance) -> Iterator[Instance]:
    yield instance
    for below in instance.children:
        yield from _walk(below)
