"""Remembers resources that were made of the same words before, and what they depended on.

A patient's PID comes with every message about the patient, and so do the visit, the insurance and
the doctor. A resource follows from the segments it is filled from and from what was looked at
beside them: references, values of other segments, the event. The first time, all of that is noted
(:class:`Reads`); when the same segments come again and everything noted still has the same answer,
the same resource is the result, and it is valid as it was. What cannot be noted is not remembered.

In memory only, bounded by number and by length of text. Remembered resources are shared by
messages: nobody may change them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chartloom.domain.resource import Contribution, PatientIdentifier
from chartloom.normalize import provenance
from chartloom.normalize.context import Env, Instance, Msg, Reads

#: (environment, codec, builder, id, source patient, event or "", lines of the segments...)
Key = tuple[Env, str, int, str, str, str, *tuple[str, ...]]

#: Entries of one generation; two are held.
ENTRIES_MAX: Final = 4096
#: Characters of the segments of one entry, and of all entries of a generation.
LENGTH_MAX: Final = 4096
TOTAL_LENGTH_MAX: Final = 4_000_000
#: A builder is watched for so many resources, and rests for so many if too few came again.
WATCHED: Final = 256
RESTING: Final = 4096
#: One of so many must come again.
WORTH: Final = 5


class Statement(msgspec.Struct, frozen=True, gc=False):
    """A resource and all that making it did.

    ran: for each of the key's lines, the table that read it and the conditions that held.
    """

    contribution: Contribution
    reads: Reads
    directory: dict[str, Contribution]
    ran: tuple[tuple[int, int], ...]
    identifiers: tuple[PatientIdentifier, ...]


class Worth:
    """Whether remembering what a builder makes is worth it: observations hardly ever come again."""

    __slots__ = ("asked", "by_event", "found", "resting")

    def __init__(self) -> None:
        self.asked = self.found = self.resting = 0
        self.by_event = False  #: what it makes depends on the event

    def is_given(self) -> bool:
        """To be asked before each resource."""
        if self.resting:
            self.resting -= 1
            return False
        if self.asked >= WATCHED:
            if self.found * WORTH < self.asked:
                self.resting = RESTING
            self.asked = self.found = 0
        self.asked += 1
        return True


class Recall:
    """Statements by what they were made of; the least recently used half goes when it is full."""

    def __init__(self) -> None:
        self._young: dict[Key, Statement] = {}
        self._old: dict[Key, Statement] = {}
        self._length = 0
        #: Provenances by what the headers say
        self.templates: dict[provenance.Key, provenance.Template] = {}

    def keep_template(self, key: provenance.Key, template: provenance.Template) -> None:
        """Remembers a Provenance."""
        if len(self.templates) >= provenance.TEMPLATES_MAX:
            self.templates.clear()
        self.templates[key] = template

    def find(self, key: Key, m: Msg, instance: Instance) -> Statement | None:
        """The statement, if all it depended on is the same now."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                return None
            self.keep(key, found)
        return found if _holds(found.reads, m, instance) else None

    def keep(self, key: Key, statement: Statement) -> None:
        """Remembers it from now on."""
        length = sum(map(len, key[6:]))
        if length > LENGTH_MAX:
            return
        self._length += length
        if len(self._young) >= ENTRIES_MAX or self._length > TOTAL_LENGTH_MAX:
            self._old, self._young, self._length = self._young, {}, length
        self._young[key] = statement

    def clear(self) -> None:
        """Forgets everything, as it must when a patient's data are erased."""
        self._young, self._old, self._length = {}, {}, 0
        self.templates.clear()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def _holds(reads: Reads, m: Msg, instance: Instance) -> bool:
    for what, asked, answer in reads:
        now: object
        if what == "ref":
            now = instance.ref(asked)
        elif what == "first":
            now = instance.first(*asked)
        elif what == "event":
            now = m.event
        elif what == "after":
            now = m.is_after(asked)
        elif what == "refs":
            now = instance.refs(asked)
        elif what == "beside":
            now = [(reference, seg.fields) for reference, seg in instance.beside(*asked)]
        else:
            now = instance.id_of(asked)
        if now != answer:
            return False
    return True
