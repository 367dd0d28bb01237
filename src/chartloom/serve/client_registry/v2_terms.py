"""PDQ parameters (``@PID.5.1``) as a search. Pure."""

from __future__ import annotations

import re
from typing import Final

from chartloom.formats.hl7v2 import AckError, Authority, Parameter, Query
from chartloom.serve.client_registry.criteria import Alternatives, Criterion, Search
from chartloom.serve.client_registry.dates import Span, span_of
from chartloom.serve.client_registry.domains import Domain, Domains

_UNKNOWN_KEY: Final = "204"
_SEX: Final = {"F": "female", "M": "male", "O": "other", "U": "unknown", "A": "other"}
_TEXTS: Final = {
    "PID.5": "family",
    "PID.5.1": "family",
    "PID.5.1.1": "family",
    "PID.5.2": "given",
    "PID.5.3": "given",
    "PID.6": "mothersMaidenName",
    "PID.6.1": "mothersMaidenName",
    "PID.6.1.1": "mothersMaidenName",
    "PID.11.1": "address-line",
    "PID.11.1.1": "address-line",
    "PID.11.3": "address-city",
    "PID.11.4": "address-state",
    "PID.11.5": "address-postalcode",
    "PID.11.6": "address-country",
    "PID.13": "telecom",
    "PID.13.1": "telecom",
    "PID.13.4": "telecom",
    "PID.13.7": "telecom",
    "PID.13.12": "telecom",
}
_IDENTIFIERS: Final = {"PID.3": "identifier", "PID.21": "mothers-identifier"}
#: Of an identifier (CX): the number, and the parts of who assigned it.
_NUMBER, _NAME, _UNIVERSAL, _KIND = ("", ".1"), (".4", ".4.1"), (".4.2",), (".4.3",)
_IDENTIFIER_PATH: Final = re.compile(r"(PID\.(?:3|21))((?:\.\d+)*)")
_DATE: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?\d*(?:[.+-].*)?")


class Wrong(Exception):
    """A parameter that cannot be searched by. ``error``: for the ERR segment."""

    def __init__(self, error: AckError) -> None:
        super().__init__(error.text)
        self.error = error


def read_search(query: Query, domains: Domains) -> Search:
    """The search of a PDQ query; raises ``Wrong``."""
    wanted: list[Alternatives] = []
    held: dict[str, dict[str, Parameter]] = {}
    for parameter in query.parameters:
        if match := _IDENTIFIER_PATH.fullmatch(parameter.path):
            held.setdefault(match[1], {})[_part(match[2], parameter)] = parameter
        else:
            wanted.append((_criterion(parameter),))
    for segment, parts in held.items():
        wanted.append((_identifier(_IDENTIFIERS[segment], parts, domains),))
    return Search(tuple(wanted), targets=known_domains(query, domains, 8))


def known_domains(query: Query, domains: Domains, field: int) -> tuple[Domain, ...]:
    """The domains of which identifiers are wanted; raises ``Wrong`` for one that is not known."""
    found = []
    for number, authority in enumerate(query.domains, 1):
        domain = domains.of_authority(authority)
        if domain is None:
            raise Wrong(unknown_key(f"QPD-{field}[{number}].4"))
        found.append(domain)
    return tuple(found)


def unknown_key(location: str) -> AckError:
    """An identifier or an authority that is not known here."""
    return AckError(_UNKNOWN_KEY, location=location, text="Not known here.")


def _part(rest: str, parameter: Parameter) -> str:
    for name, paths in (
        ("number", _NUMBER), ("name", _NAME), ("universal", _UNIVERSAL), ("kind", _KIND),
        ("type", (".5",)),
    ):  # fmt: skip
        if rest in paths:
            return name
    raise Wrong(_not_supported(parameter))


def _identifier(field: str, parts: dict[str, Parameter], domains: Domains) -> Criterion:
    some = next(iter(parts.values()))
    if "number" not in parts:
        raise Wrong(
            AckError("101", location=f"QPD-3[{some.repetition}]", text="The number is missing.")
        )
    said = {name: parts[name].value if name in parts else "" for name in ("name", "universal")}
    kind = parts["kind"].value.upper() if "kind" in parts else ""
    authority = Authority(said["name"], said["universal"], kind)
    domain = domains.of_authority(authority) if authority else None
    if authority and domain is None:
        place = parts.get("name") or parts.get("universal") or some
        raise Wrong(unknown_key(f"QPD-3[{place.repetition}].2"))
    return Criterion(field, parts["number"].value, domain=domain)


def _criterion(parameter: Parameter) -> Criterion:
    path, value = parameter.path, parameter.value
    if path in ("PID.7", "PID.7.1"):
        return Criterion("birthdate", span=_span(parameter))
    if path == "PID.8":
        sex = _SEX.get(value.upper())
        if sex is None:
            raise Wrong(_at_value(parameter, "103", "This is no code of table 0001."))
        return Criterion("gender", sex)
    field = _TEXTS.get(path)
    if field is None:
        raise Wrong(_not_supported(parameter))
    whole = not value.endswith("*")
    value = value if whole else value[:-1].rstrip()
    if not value or "*" in value or "?" in value:
        raise Wrong(_at_value(parameter, "102", "Only the end of a value may be left open."))
    return Criterion(field, value, whole=whole)


def _span(parameter: Parameter) -> Span:
    match = _DATE.fullmatch(parameter.value)
    text = "-".join(p for p in match.groups() if p) if match else ""
    span = span_of(text)
    if span is None:
        raise Wrong(_at_value(parameter, "102", "This is no date."))
    return span


def _not_supported(parameter: Parameter) -> AckError:
    text = "This is nothing that can be searched by here."
    return AckError("103", location=f"QPD-3[{parameter.repetition}].1", text=text)


def _at_value(parameter: Parameter, condition: str, text: str) -> AckError:
    return AckError(condition, location=f"QPD-3[{parameter.repetition}].2", text=text)
