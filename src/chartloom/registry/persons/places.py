"""Addresses, telephones, e-mail: as few words as tell one home from another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from chartloom.registry.persons.folding import digits, fold
from chartloom.registry.persons.lexicon import words
from chartloom.registry.persons.record import Home

HOMES_MAX: Final = 4
CONTACTS_MAX: Final = 8
_NOBODY: Final = frozenset({"homeless", "unknown", "none", "na", "n a", "no fixed address", "unk"})


def read_homes(addresses: Any) -> tuple[Home, ...]:
    """The addresses of a Patient; those that have ended come last."""
    if not isinstance(addresses, list):
        return ()
    found: dict[Home, None] = {}
    for address in sorted(
        (a for a in addresses[:HOMES_MAX] if isinstance(a, dict)),
        key=lambda a: a.get("use") == "old",
    ):
        home = _home(address)
        if home.street or home.postal or home.city:
            found[home] = None
    return tuple(found)


def _home(address: dict[str, Any]) -> Home:
    lines, city, postal = address.get("line"), address.get("city"), address.get("postalCode")
    said = " ".join(x for x in lines if isinstance(x, str)) if isinstance(lines, list) else ""
    if not said and isinstance(address.get("text"), str):
        said = address["text"]
    house, street, unit = street_words(said)
    return Home(
        house,
        street,
        unit,
        postal_code(postal) if isinstance(postal, str) else "",
        "" if not isinstance(city, str) or (folded := fold(city)) in _NOBODY else folded,
    )


@lru_cache(maxsize=50_000)
def street_words(text: str) -> tuple[str, str, str]:
    """(house number, street, unit) of an address line."""
    folded = fold(text.replace("#", " # "))
    if folded in _NOBODY:
        return "", "", ""
    lexicon = words()
    house, unit = "", ""
    street: list[str] = []
    found = folded.split()
    index = 0
    while index < len(found):
        word = found[index]
        if word in lexicon.units and index + 1 < len(found) and (house or street):
            unit = found[index + 1]
            index += 2
            continue
        if word[0].isdigit() and word not in lexicon.streets:
            if not house:
                house = word
            elif street:
                unit = unit or word
            index += 1
            continue
        street.append(lexicon.streets.get(word, word))
        index += 1
    return house, " ".join(street), unit


@lru_cache(maxsize=50_000)
def postal_code(text: str) -> str:
    """Letters and digits; of a US ZIP+4 the five."""
    found = fold(text).replace(" ", "")
    if found.isdigit():
        if len(found) == 9 or len(found) == 5:
            found = found[:5]
        if len(set(found)) == 1:
            return ""
    return found


def read_contacts(telecom: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(telephones, e-mail addresses) of a Patient."""
    if not isinstance(telecom, list):
        return (), ()
    phones: dict[str, None] = {}
    emails: dict[str, None] = {}
    for contact in telecom[:CONTACTS_MAX]:
        if not isinstance(contact, dict) or not isinstance(value := contact.get("value"), str):
            continue
        system = contact.get("system")
        if system == "email" or "@" in value:
            email = _email(value)
            if email:
                emails[email] = None
        elif system in ("phone", "sms", "fax", "other", None, ""):
            number = phone_number(value)
            if number:
                phones[number] = None
    return tuple(phones), tuple(emails)


@lru_cache(maxsize=50_000)
def phone_number(text: str) -> str:
    """The digits that tell a line: without extension, international and trunk prefix.

    North American numbers become ten digits; of others the last nine, for the prefix of the
    country is written in too many ways.
    """
    found = digits(text.lower().partition("x")[0])
    if len(found) == 11 and found[0] == "1":
        found = found[1:]
    elif len(found) > 10:
        found = found[-9:] if not text.lstrip().startswith("+1") else found[-10:]
    if len(found) < 6 or len(set(found)) <= 2:
        return ""
    if found in "12345678901234567890" or found.endswith("0000000"):
        return ""
    return found


@lru_cache(maxsize=50_000)
def _email(text: str) -> str:
    local, at, domain = text.strip().lower().partition("@")
    local = local.partition("+")[0]
    if not at or "." not in domain or local in ("none", "noemail", "na", "no", "unknown", "test"):
        return ""
    return f"{local}@{domain}"
