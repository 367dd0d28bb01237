"""A Patient as a PID segment (HL7 v2.5 chapter 3), in the delimiters of whoever asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Delimiters, escape
from chartloom.serve.client_registry.domains import Domain
from chartloom.serve.client_registry.people import Number

_SEX: Final = {"female": "F", "male": "M", "other": "O"}
_NAME_TYPE: Final = {
    "official": "L", "usual": "D", "nickname": "N", "maiden": "M", "old": "M", "anonymous": "S",
}  # fmt: skip
_ADDRESS_TYPE: Final = {"home": "H", "work": "B", "temp": "C", "old": "BA", "billing": "BI"}
_PHONE_USE: Final = {"home": "PRN", "work": "WPN", "mobile": "PRS"}
_PHONE_KIND: Final = {"phone": "PH", "fax": "FX", "pager": "BP", "email": "Internet"}
_DATE: Final = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
#: A name that says nothing (HL7 table 0200, S): cross-references tell numbers only.
_PSEUDONYM: Final = ("", "", "", "", "", "", "S")
_REPETITIONS_MAX: Final = 20


class PidWriter:
    """Writes PID segments with some delimiters."""

    def __init__(self, delimiters: Delimiters) -> None:
        self._d = delimiters

    def cross_reference(self, numbers: Sequence[Number]) -> str:
        """The numbers of a person, and nothing else (ITI-9)."""
        name = f"{self._d.repetition or ' '}{self._join(_PSEUDONYM)}"
        return self._segment({3: self._numbers(numbers), 5: name})

    def demographics(self, patient: FhirJson, numbers: Sequence[Number]) -> str:
        """Who a person is (ITI-21)."""
        born = str(patient.get("birthDate", ""))
        order = patient.get("multipleBirthInteger")
        multiple = patient.get("multipleBirthBoolean") is True or isinstance(order, int)
        dead = bool(patient.get("deceasedBoolean")) or "deceasedDateTime" in patient
        return self._segment(
            {
                1: "1",
                3: self._numbers(numbers),
                5: self._repeat([self._name(n) for n in _items(patient, "name")]),
                6: self._repeat([self._maiden(e) for e in _items(patient, "extension")]),
                7: born.replace("-", "") if _DATE.fullmatch(born) else "",
                8: _SEX.get(str(patient.get("gender", "")), "U"),
                11: self._repeat([self._address(a) for a in _items(patient, "address")]),
                13: self._repeat([self._telecom(t) for t in _items(patient, "telecom")]),
                24: "Y" if multiple else "",
                25: str(order) if isinstance(order, int) else "",
                30: "Y" if dead else "",
            }
        )

    def authority(self, domain: Domain) -> str:
        """An assigning authority within CX.4."""
        held = domain.authority
        parts = (held.name, held.universal, held.kind)
        between = self._d.subcomponent or " "
        return between.join(escape(p, self._d) for p in parts).rstrip(between)

    def _numbers(self, numbers: Sequence[Number]) -> str:
        between = self._d.component or " "
        return self._repeat(
            [
                between.join((escape(n.value, self._d), "", "", self.authority(n.domain), "PI"))
                for n in numbers
            ]
        )

    def _name(self, name: FhirJson) -> str:
        given = _texts(name, "given")
        first, rest = (given[0], " ".join(given[1:])) if given else ("", "")
        suffix, prefix = " ".join(_texts(name, "suffix")), " ".join(_texts(name, "prefix"))
        kind = _NAME_TYPE.get(_text(name, "use"), "L")
        return self._join((_text(name, "family"), first, rest, suffix, prefix, "", kind))

    def _maiden(self, extension: FhirJson) -> str:
        text = _text(extension, "valueString")
        return self._join((text, "", "", "", "", "", "M")) if text else ""

    def _address(self, address: FhirJson) -> str:
        line = _texts(address, "line")
        kind = _ADDRESS_TYPE.get(_text(address, "use"), "")
        street = (line[0] if line else "", " ".join(line[1:]))
        place = [_text(address, n) for n in ("city", "state", "postalCode", "country")]
        return self._join((*street, *place, kind))

    def _telecom(self, telecom: FhirJson) -> str:
        system, value = _text(telecom, "system"), _text(telecom, "value")
        if not value:
            return ""
        use = _PHONE_USE.get(_text(telecom, "use"), "")
        if system == "email":
            return self._join(("", "NET", "Internet", value))
        return self._join((value, use, _PHONE_KIND.get(system, "PH")))

    def _join(self, parts: Sequence[str]) -> str:
        between = self._d.component or " "
        return between.join(escape(p, self._d) for p in parts).rstrip(between)

    def _repeat(self, items: Sequence[str]) -> str:
        held = [item for item in items if item][:_REPETITIONS_MAX]
        return self._d.repetition.join(held) if self._d.repetition else "".join(held[:1])

    def _segment(self, fields: dict[int, str]) -> str:
        held = [fields.get(n, "") for n in range(1, 31)]
        return self._d.field.join(["PID", *held]).rstrip(self._d.field)


def _items(patient: FhirJson, name: str) -> list[FhirJson]:
    items: Any = patient.get(name, [])
    return [i for i in items if isinstance(i, dict)] if isinstance(items, list) else []


def _text(item: FhirJson, name: str) -> str:
    value = item.get(name, "")
    return value if isinstance(value, str) else ""


def _texts(item: FhirJson, name: str) -> list[str]:
    values = item.get(name, [])
    return [v for v in values if isinstance(v, str)] if isinstance(values, list) else []
