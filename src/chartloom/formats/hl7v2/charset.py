"""MSH-18: names of character sets (HL7 table 0211 and vendors' spellings) and Python codecs."""

from __future__ import annotations

import re
from typing import Final

_NOISE: Final = re.compile(r"[\s_\-/.]+")

#: Normalised name (upper case, no space, ``-``, ``_``, ``/``, ``.``) -> codec.
_CODECS: Final[dict[str, str]] = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    # Formally UCS-2 and deprecated; what is sent under this name over MLLP is UTF-8.
    "UNICODE": "utf-8",
    "ISO10646": "utf-8",
    "ISOIR192": "utf-8",
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UNICODEUTF32": "utf-32",
    "UTF32": "utf-32",
    "ISOIR14": "shift_jis",
    "ISOIR13": "shift_jis",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "ISO2022JP": "iso2022_jp_ext",
    "SHIFTJIS": "cp932",
    "SJIS": "cp932",
    "WINDOWS31J": "cp932",
    "EUCJP": "euc_jp",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "KSX1001": "cp949",
    "KSC5601": "cp949",
    "EUCKR": "cp949",
    "CP949": "cp949",
    "BIG5": "cp950",
    "CP950": "cp950",
    "TIS620": "tis_620",
    "ISOIR166": "tis_620",
    "KOI8R": "koi8_r",
    "LATIN1": "iso8859-1",
    "ISOIR100": "iso8859-1",
    "ISOIR101": "iso8859-2",
    "ANSI": "cp1252",
    **{f"{p}8859{n}": f"iso8859-{n}" for p in ("", "ISO") for n in (*range(1, 12), *range(13, 17))},
    **{f"{p}{n}": f"cp{n}" for p in ("CP", "WINDOWS") for n in (437, 850, *range(1250, 1259))},
}

#: Codecs in which one byte is one character, so that character offsets are byte offsets.
SINGLE_BYTE: Final = frozenset(
    c
    for c in _CODECS.values()
    if c.startswith(("iso8859", "cp125")) or c in ("ascii", "cp437", "cp850", "koi8_r", "tis_620")
)
#: Codecs with shift states: the same bytes mean something else after an escape sequence.
STATEFUL: Final = frozenset({"iso2022_jp_ext"})
WIDE: Final = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})


def codec_for(name: str) -> str | None:
    """The Python codec for a name out of MSH-18 or a feed's ``charset``; None if unsupported.

    CNS 11643 (EUC-TW) is known to HL7 but has no Python codec, so it is not supported.
    """
    return _CODECS.get(_NOISE.sub("", name).upper())


def choose_codec(declared: list[str], has_escape: bool, default: str) -> tuple[str, str]:
    """Codec for a message, and ``"unknown"`` or ``"contradicted"`` if MSH-18 is a problem.

    declared: the repetitions of MSH-18. The first is the character set of the message, later ones
    are alternates to which ISO 2022 escapes may switch. has_escape: whether the message holds ESC.
    default: codec of the feed. Only to be asked for messages with bytes outside ASCII, or ESC.
    """
    codecs = [codec_for(name) for name in declared if name]
    if has_escape and any(c in STATEFUL for c in codecs):
        return "iso2022_jp_ext", ""
    if not declared or not declared[0]:
        return default, ""
    first = codec_for(declared[0])
    if first is None:
        return "ascii", "unknown"
    if first == "ascii" or (first in STATEFUL and not has_escape):
        alternates = [c for c in codecs if c and c != "ascii" and c not in STATEFUL]
        return (alternates[0], "") if alternates else (default, "contradicted")
    if first in WIDE:  # a message whose MSH can be read byte by byte is not UTF-16 or UTF-32
        return "utf-8", "contradicted"
    return first, ""
