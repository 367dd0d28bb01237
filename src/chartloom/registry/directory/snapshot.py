"""The directory as other rooms ask it: who has this number, what place is this, where is it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.registry.directory.issues import PART_UNKNOWN
from chartloom.registry.directory.model import DirectoryKind, Golden, Identifier, Question
from chartloom.registry.directory.npi import NPI_OID, NPI_SYSTEM, is_npi
from chartloom.registry.directory.words import NOTHING_TOLD, About, Told

#: Of places as PL names them: facility, ward, room, bed; folded.
_Place = tuple[str, str, str, str]
_DEEP: Final = 20


class Directory:
    """Golden records of one version of the tables. Frozen; ``fingerprint`` names the version."""

    def __init__(
        self,
        golden: Sequence[Golden],
        questions: tuple[Question, ...],
        issues: tuple[Issue, ...],
        fingerprint: str,
        told: Told = NOTHING_TOLD,
    ) -> None:
        self.told = told
        self.golden = tuple(golden)
        self.issues = issues
        self.fingerprint = fingerprint
        self._by_number: dict[tuple[DirectoryKind, Identifier], Golden] = {}
        self._by_value: dict[tuple[DirectoryKind, str], list[Golden]] = {}
        self._by_key: dict[tuple[DirectoryKind, str], Golden] = {}
        self._by_member: dict[tuple[DirectoryKind, Identifier], Golden] = {}
        self._places: dict[_Place, Golden] = {}
        self._anywhere: dict[tuple[str, str, str], list[Golden]] = {}
        self._wards: set[str] = set()
        self.kinds = frozenset(g.kind for g in self.golden)
        for one in self.golden:
            for number in one.identifiers:
                if not number.startswith("|"):  # of no system: by its value, if nobody else has it
                    self._by_number[one.kind, number] = one
                value = number.partition("|")[2]
                carriers = self._by_value.setdefault((one.kind, value), [])
                if one not in carriers:
                    carriers.append(one)
            for member in one.members:
                self._by_key.setdefault((one.kind, member.partition("|")[2]), one)
                self._by_member[one.kind, member] = one
            if one.kind is DirectoryKind.LOCATION:
                place = _place(one)
                self._places.setdefault(place, one)
                if place[1]:
                    self._wards.add(place[1])
                    self._anywhere.setdefault(place[1:], []).append(one)
        self.questions = tuple(sorted((*questions, *self._loose_ends())))

    def find(self, kind: DirectoryKind, system: str, value: str) -> Golden | None:
        """Who has a number. Without a system: if one golden record only has the value."""
        if (held := self._by_number.get((kind, f"{system}|{value}"))) is not None:
            return held
        if system and is_npi(value) and ("npi" in system.casefold() or system == NPI_OID):
            return self._by_number.get((kind, f"{NPI_SYSTEM}|{value}"))
        carriers = self._by_value.get((kind, value), [])
        bare = [g for g in carriers if not system or f"|{value}" in g.identifiers]
        return bare[0] if len(bare) == 1 else None

    def holder(self, kind: str, name: Identifier) -> Golden | None:
        """Who carries a number (``system|value``), or has a row known as ``source|key``."""
        held = self._by_number.get((DirectoryKind(kind), name))
        return held or self._by_member.get((DirectoryKind(kind), name))

    def open_questions(self, day: str) -> tuple[Question, ...]:
        """Those that nobody decided and nobody put off to after ``day`` (ISO)."""
        return tuple(
            q for q in self.questions if not q.decided and not self.told.put_off(about_of(q), day)
        )

    def place(self, facility: str, ward: str, room: str = "", bed: str = "") -> Golden | None:
        """A place as PL (and PV1-3) names it; a bed or room that is not known is its ward.

        Without a facility: the place of that name, if there is only one.
        """
        for last in ((room, bed), (room, ""), ("", "")):
            if not facility:
                found = self._anywhere.get((_plain(ward), _plain(last[0]), _plain(last[1])), ())
                if len(found) == 1:
                    return found[0]
                continue
            for where in (facility, ""):
                key = (_plain(where), _plain(ward), _plain(last[0]), _plain(last[1]))
                if (held := self._places.get(key)) is not None:
                    return held
        return None

    def path(self, one: Golden) -> tuple[Golden, ...]:
        """The record, what it is part of, and so on up."""
        found = [one]
        while len(found) < _DEEP and (above := self._part_of(found[-1])) is not None:
            if above in found:
                break
            found.append(above)
        return tuple(found)

    def resolves(self, resource: dict[str, Any]) -> bool:
        """Whether a Practitioner, Organization or Location of a message is in the directory.

        True as well where the directory holds none of its kind, or the message gave no number. A
        room or bed is known if its ward is.
        """
        kind = DirectoryKind(resource["resourceType"])
        if kind not in self.kinds:
            return True
        numbers = [
            (i.get("system", ""), i["value"])
            for i in resource.get("identifier", ())
            if isinstance(i, dict) and i.get("value")
        ]
        if any(self.find(kind, system, value) is not None for system, value in numbers):
            return True
        if kind is DirectoryKind.LOCATION:
            words = _plain(str(resource.get("name", ""))).split()
            begins = (" ".join(words[:n]) for n in range(len(words), 0, -1))
            return not words or any(begin in self._wards for begin in begins)
        return not numbers

    def ended(self, resource: dict[str, Any]) -> str:
        """The day (ISO) on which the NPI was deactivated by which a message names somebody; "" if
        none was."""
        kind = DirectoryKind(resource["resourceType"])
        for i in resource.get("identifier", ()) if kind in self.kinds else ():
            value = i.get("value") if isinstance(i, dict) else None
            if value and is_npi(value):
                held = self.find(kind, i.get("system", ""), value)
                if held and held.npi_ended and f"{NPI_SYSTEM}|{value}" in held.identifiers:
                    return held.npi_ended
        return ""

    def _part_of(self, one: Golden) -> Golden | None:
        name = one.text("part_of")
        return self._by_key.get((one.kind, name)) if name else None

    def _loose_ends(self) -> Iterable[Question]:
        """Parts of what is not there, and of themselves."""
        for one in self.golden:
            above = one.text("part_of")
            if not above:
                continue
            top = self.path(one)[-1]
            if self._part_of(one) is None or top.text("part_of"):
                asked = Question(PART_UNKNOWN, one.kind.value, one.id, "part_of", one.members)
                yield msgspec.structs.replace(asked, items=(one.id,), text=above)


def about_of(question: Question) -> About:
    """What a word about a question is about."""
    return About(question.code, question.kind, question.attribute, question.items)


def _place(one: Golden) -> _Place:
    facility, ward, room, bed = (one.text(a) for a in ("facility", "ward", "room", "bed"))
    return _plain(facility), _plain(ward), _plain(room), _plain(bed)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
