"""Assigning authorities: which are known at the doors, and under which names. Pure.

One authority may be written in three ways: by name (``^^^TEST``), by object identifier
(``^^^&1.2.3&ISO``, ``urn:oid:1.2.3``) and by address. Records carry whichever their sender used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Authority

#: Numbers that a state gives to persons for other ends: told only where their domain is named.
_OTHER_ENDS: Final = frozenset({"SS", "DL", "PPN", "TAX", "BC", "CC", "BA", "VISA", "PRC", "SB"})
_OID, _NAME, _UUID = "urn:oid:", "urn:id:", "urn:uuid:"


class Domain(msgspec.Struct, frozen=True):
    """One assigning authority: name (HD.1), oid (without prefix), uri; at least one is given."""

    name: str = ""
    oid: str = ""
    uri: str = ""

    @property
    def systems(self) -> tuple[str, ...]:
        """Under what its identifiers may stand in a Patient; the first is what is answered."""
        forms = (
            self.uri,
            _OID + self.oid if self.oid else "",
            _NAME + "".join(self.name.split()) if self.name else "",
        )
        return tuple(form for form in forms if form)

    @property
    def authority(self) -> Authority:
        """As HL7 v2 writes it."""
        if self.oid:
            return Authority(self.name, self.oid, "ISO")
        return Authority(self.name, self.uri, "URI" if self.uri else "")


class Domains:
    """The authorities that the doors answer for; without any, for all that records name."""

    def __init__(self, named: Sequence[Domain] = ()) -> None:
        self.named = tuple(named)
        self._by_system = {system: d for d in named for system in d.systems}

    def of_system(self, system: str) -> Domain | None:
        """The domain of ``Identifier.system``; ``None`` if it is not known here."""
        found = self._by_system.get(system)
        if found is not None or self.named or not system:
            return found
        if system.startswith(_OID):
            return Domain(oid=system.removeprefix(_OID))
        if system.startswith(_NAME):
            return Domain(name=system.removeprefix(_NAME))
        return Domain(uri=system)

    def of_authority(self, authority: Authority) -> Domain | None:
        """The domain of an HD. One whose parts name different domains is not known."""
        found = {self.of_system(system) for system in _systems(authority)}
        if not self.named and authority.universal and authority.name:
            one = self.of_system(_systems(authority)[0])
            return one and Domain(authority.name, one.oid, one.uri)
        return found.pop() if len(found) == 1 else None

    def of_identifier(self, identifier: FhirJson) -> Domain | None:
        """The domain of an identifier that may be told; ``None`` for what stays here."""
        system = identifier.get("system")
        if not isinstance(system, str) or not identifier.get("value"):
            return None
        codings = identifier.get("type", {}).get("coding", ())
        if not self.named and {c.get("code") for c in codings} & _OTHER_ENDS:
            return None
        return self.of_system(system)


def _systems(authority: Authority) -> list[str]:
    """What the parts of an HD are in FHIR, the universal id first."""
    found = []
    universal = "".join(authority.universal.split())
    if universal:
        if authority.kind in ("UUID", "GUID"):
            found.append(_UUID + universal.lower())
        elif authority.kind == "ISO" or (not authority.kind and universal[:1] in "012"):
            found.append(_OID + universal)
        else:
            found.append(universal)
    if authority.name:
        name = "".join(authority.name.split())
        is_uri = name.startswith(("http://", "https://", "urn:"))
        found.append(name if is_uri else _NAME + name)
    return found
