"""A mapping that also tells whom, what place and what drug of a message the site does not know."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from chartloom.domain.directory import Unknown
from chartloom.domain.feed import Feed
from chartloom.domain.ids import make_id
from chartloom.domain.issues import Issue
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, FhirJson, Traced
from chartloom.normalize.contract import Mapping
from chartloom.registry.directory import (
    DRUG,
    LOCATION_UNRESOLVED,
    NPI_DEACTIVATED,
    ORGANIZATION_UNRESOLVED,
    PRACTITIONER_UNRESOLVED,
    Directory,
    day_of,
)
from chartloom.registry.formulary import Formulary

#: The Issue by kind.
UNRESOLVED: Final = {
    "Practitioner": PRACTITIONER_UNRESOLVED,
    "Organization": ORGANIZATION_UNRESOLVED,
    "Location": LOCATION_UNRESOLVED,
}
_DRUGS: Final = frozenset(
    {"MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}
)
_REMEMBERED_MAX: Final = 50_000
_TEXT_MAX: Final = 120
#: What is a code of a drug, and cannot be anything else that somebody wrote there.
_CODE: Final = re.compile(r"(?=[^ ]*[0-9])[A-Za-z0-9._/-]{1,24}")


class ResolvingMapping:
    """``mapping`` with what ``directory`` and ``formulary`` do not know; an Issue for each kind of
    reference. Unknown drugs are Issues of charts, and here are counted only.

    Contributions are the same; the fingerprint is another, for the Issues depend on the directory.
    """

    def __init__(
        self, mapping: Mapping, directory: Directory, formulary: Formulary | None = None
    ) -> None:
        self.name = mapping.name
        self.files = mapping.files
        both = f"{mapping.fingerprint} {directory.fingerprint}".encode()
        self.fingerprint = (
            hashlib.sha256(both).hexdigest()[: len(mapping.fingerprint)]
            if directory.kinds
            else mapping.fingerprint
        )
        self._mapping = mapping
        self._directory = directory
        self._formulary = formulary
        self._resolved: dict[str, Unknown | None] = {}
        self._ended: dict[str, str] = {}
        self._coded: dict[tuple[Any, Any], str] = {}

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What a message says; never raises for any bytes."""
        return self._told(self._mapping.derive(message, feed, namespace), namespace)

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same with evidence and loss report."""
        traced = self._mapping.trace(message, feed, namespace)
        return replace(traced, derived=self._told(traced.derived, namespace))

    def clear(self) -> None:
        """Forgets every text of messages that it remembers."""
        self._resolved.clear()
        self._ended.clear()
        self._coded.clear()
        self._mapping.clear()

    def _told(self, derived: Derived, namespace: UUID) -> Derived:
        found = dict.fromkeys(self._unknown(derived, namespace))
        ended = self._names_ended(derived)
        if not found and not ended:
            return derived
        codes = sorted({UNRESOLVED[u.kind] for u in found if u.kind in UNRESOLVED})
        codes += [NPI_DEACTIVATED] if ended else []
        issues = (*derived.issues, *(Issue(code) for code in codes))
        return replace(derived, issues=issues, unknown=tuple(found))

    def _unknown(self, derived: Derived, namespace: UUID) -> Iterator[Unknown]:
        for contribution in derived.contributions:
            if contribution.directory:
                if contribution.type in UNRESOLVED and self._directory.kinds:
                    unknown = self._reference(contribution.resource)
                    if unknown is not None:
                        yield unknown
            elif self._formulary is not None and contribution.type in _DRUGS:
                concept = contribution.resource.get("medicationCodeableConcept")
                for coding in concept.get("coding", ()) if isinstance(concept, dict) else ():
                    if number := self._drug(coding.get("system"), coding.get("code")):
                        yield Unknown(DRUG, make_id(namespace, "", DRUG, number), number)

    def _names_ended(self, derived: Derived) -> bool:
        """Whether the message names somebody by an NPI that was deactivated when it happened."""
        if not self._directory.kinds:
            return False
        days = [
            self._ended_on(c.resource)
            for c in derived.contributions
            if c.directory and c.type in UNRESOLVED
        ]
        return any(days) and any(day and day <= day_of(derived.event_us) for day in days)

    def _ended_on(self, resource: FhirJson) -> str:
        id = resource["id"]
        if id not in self._ended:
            if len(self._ended) >= _REMEMBERED_MAX:
                self._ended.clear()
            self._ended[id] = self._directory.ended(resource)
        return self._ended[id]

    def _reference(self, resource: FhirJson) -> Unknown | None:
        """Ids are made of numbers and names, so that what is known of one stays true."""
        id = resource["id"]
        if id not in self._resolved:
            if len(self._resolved) >= _REMEMBERED_MAX:
                self._resolved.clear()
            known = self._directory.resolves(resource)
            self._resolved[id] = None if known else _named(resource)
        return self._resolved[id]

    def _drug(self, system: Any, code: Any) -> str:
        """``system|code`` if the formulary should know the code and does not, else ""."""
        asked = (system, code)
        if asked not in self._coded:
            if len(self._coded) >= _REMEMBERED_MAX:
                self._coded.clear()
            self._coded[asked] = self._unknown_code(system, code)
        return self._coded[asked]

    def _unknown_code(self, system: Any, code: Any) -> str:
        if not isinstance(system, str) or not isinstance(code, str) or not _CODE.fullmatch(code):
            return ""
        number = f"{system}|{code}"
        return number if self._formulary and self._formulary.unresolved([number]) else ""


def _named(resource: FhirJson) -> Unknown:
    """How a message named somebody or some place: by the first number, and by name."""
    name: Any = resource.get("name", "")
    if isinstance(name, list):
        parts = name[0] if name and isinstance(name[0], dict) else {}
        words = [*parts.get("given", ()), parts.get("family", "")]
        name = parts.get("text") or " ".join(w for w in words if isinstance(w, str) and w)
    numbers = [
        f"{i.get('system', '')}|{i['value']}"
        for i in resource.get("identifier", ())
        if isinstance(i, dict) and i.get("value")
    ]
    kind, id = resource["resourceType"], resource["id"]
    number = numbers[0][:_TEXT_MAX] if numbers else f"|{name}"[:_TEXT_MAX]
    return Unknown(kind, id, number, str(name)[:_TEXT_MAX])
