"""By what a patient is looked up: which texts count as the same, and how much of one is enough.

The store makes fingerprints of it and doors compare by it; both must mean the same.
"""

from __future__ import annotations

import re
from typing import Final

#: Fewer letters of a name begin too many names.
START_CHARS: Final = 3
#: So many last digits of a telephone say whose it is, however the rest is written.
PHONE_DIGITS: Final = 7
_NO_DIGIT: Final = re.compile(r"[^0-9]")


def looked_up(text: str) -> str:
    """A text as it is compared: without regard to case and surrounding or double spaces."""
    return " ".join(text.casefold().split())


def digits_of(text: str) -> str:
    """The digits of a telephone number, in order; other scripts' digits do not count."""
    return _NO_DIGIT.sub("", text)
