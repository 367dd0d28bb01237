"""National Drug Codes: ten digits in three layouts, eleven in one."""

from __future__ import annotations

import re
from typing import Final

_LAYOUTS: Final = ((4, 4, 2), (5, 3, 2), (5, 4, 1))
_HYPHENS: Final = re.compile(r"(\d{4,5})-(\d{3,4})-(\d{1,2})")


def ndc_candidates(code: str) -> tuple[str, ...]:
    """The eleven digits (5-4-2) that a code may stand for; () if it is no NDC.

    With hyphens, and with eleven digits, there is one. Ten digits without hyphens may stand for
    three drugs: whoever asks must look all of them up, and believe only one hit.
    """
    code = code.strip()
    if parts := _HYPHENS.fullmatch(code):
        lengths = tuple(len(p) for p in parts.groups())
        if lengths == (5, 4, 2) or lengths in _LAYOUTS:
            return (parts[1].zfill(5) + parts[2].zfill(4) + parts[3].zfill(2),)
        return ()
    digits = code.replace(" ", "")
    if not digits.isascii() or not digits.isdigit():
        return ()
    if len(digits) == 11:
        return (digits,)
    if len(digits) == 12 and digits[0] == "0":
        return (digits[1:],)
    if len(digits) != 10:
        return ()
    found = []
    for a, b, _ in _LAYOUTS:
        found.append(digits[:a].zfill(5) + digits[a : a + b].zfill(4) + digits[a + b :].zfill(2))
    return tuple(dict.fromkeys(found))
