"""Dates of birth as files of strangers write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SLASHED: Final = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?!\d)")
_YEAR_FIRST: Final = re.compile(r"^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})(?!\d)")


def day_first_of(births: Iterable[str]) -> bool:
    """Whether dates with slashes are day/month: some first part is above 12, and no second is."""
    found = False
    for birth in births:
        if match := _SLASHED.match(birth):
            if int(match[2]) > 12:
                return False
            found = found or int(match[1]) > 12
    return found


def date_of(text: str, day_first: bool) -> str:
    """``YYYY-MM-DD`` of a date as people write it; what is none comes back cut at 10 letters."""
    if match := _SLASHED.match(text):
        first, second, year = match.groups()
        month, day = (second, first) if day_first else (first, second)
        return f"{year}-{int(month):02d}-{int(day):02d}"
    if match := _YEAR_FIRST.match(text):
        return f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}"
    if re.match(r"^\d{8}(\.0)?$", text):
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return text[:10]
