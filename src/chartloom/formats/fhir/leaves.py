"""Quick tests of single values: never wider than the exact schema, often narrower.

A test that says no decides nothing (the exact schema then decides), so each is written for what
real data looks like. Vocabulary, dates and references repeat: they are remembered in bounded sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Final

from chartloom.formats.fhir.primitives import PRIMITIVES

Test = Callable[[Any], Any]

#: How many values one set remembers before it starts anew.
REMEMBERED_MAX: Final = 4096
#: Longer strings are not worth remembering.
_LENGTH_MAX: Final = 200
_TEXT: Final = re.compile(
    r"[\t\r\n ]*[^\s\x00-\x1f\ufeff][^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]*+"
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]++={0,2}")
_SCRIPT: Final = re.compile(PRIMITIVES["xhtml"]["not"]["pattern"])
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Remembered(set[str]):
    """Strings that passed ``test``; ``x in r or r.learn(x)`` is the whole check."""

    __slots__ = ("test",)

    def __init__(self, test: Test) -> None:
        super().__init__()
        self.test = test

    def learn(self, value: Any) -> bool:
        """Whether a value not yet known passes."""
        if type(value) is not str or not self.test(value):
            return False
        if len(value) <= _LENGTH_MAX:
            if len(self) >= REMEMBERED_MAX:
                self.clear()
            self.add(value)
        return True


def text(value: Any) -> bool:
    """A string or markdown with line breaks or leading space (others are told inline)."""
    return type(value) is str and _TEXT.fullmatch(value) is not None and _is_unicode(value)


def number(value: Any) -> bool:
    """A decimal of usual size. NaN fails, by comparing (or raises ``ArithmeticError``)."""
    return type(value) in (Decimal, int, float) and abs(value) < 1_000_000_000_000


def identity(value: Any) -> bool:
    """The type ``id``."""
    return _ID.fullmatch(value) is not None


def _is_uuid_like(value: str) -> bool:
    """36 letters, digits and hyphens: a quick yes for most of the ids that are ours."""
    return len(value) == 36 and value.isascii() and value.replace("-", "").isalnum()


def _is_unicode(value: str) -> bool:
    """No lone surrogates; checked where a test lets pass characters beyond ASCII."""
    if not value.isascii():
        value.encode()
    return True


def _uri(value: str) -> bool:
    return value.isprintable() and " " not in value and value != ""


def _code(value: str) -> bool:
    return value.isprintable() and value.strip(" ") == value != "" and "  " not in value


def _xhtml(value: str) -> bool:
    return value.startswith(("<div>", "<div ")) and not _SCRIPT.search(value) and _is_unicode(value)


def _base64(value: str) -> bool:
    return _BASE64.fullmatch(value) is not None


def _pattern(name: str) -> Test:
    """The type's own pattern, for patterns that Python reads exactly as the schema does."""
    compiled = re.compile(PRIMITIVES[name]["pattern"].removeprefix("^").removesuffix("$"))

    def test(value: str) -> bool:
        return compiled.fullmatch(value) is not None

    return test


class References(dict[str, str]):
    """Literal references ``Type/id`` seen before, by the type they point to."""

    def learner(self, targets: frozenset[str], contained: bool) -> Test:
        """The test of references not yet known: ``Type/id``, ``urn:...``, (contained) ``#id``."""

        def learn(value: str) -> bool:
            kind, slash, id = value.partition("/")
            if not slash or kind not in targets or not (_is_uuid_like(id) or identity(id)):
                kind = _other_target(value)
                if kind not in targets:
                    local = value.startswith("#") if contained else False
                    return (local or kind == _ANYTHING) and _uri(value)
            if len(self) >= REMEMBERED_MAX:
                self.clear()
            self[value] = kind
            return True

        return learn


#: What a ``urn:`` points to.
_ANYTHING: Final = "urn"


def _other_target(value: str) -> str:
    """The type that a conditional (``Type?query``) or absolute reference points to, or nothing."""
    kind, mark, query = value.partition("?")
    if mark and query and value.isprintable() and "/" not in kind:
        return kind
    if value.startswith(("http://", "https://")) and _uri(value):
        base, _, end = value.rpartition("/")
        base, _, kind = base.rpartition("/")
        return kind if base.startswith(("http://", "https://")) and identity(end) else ""
    return _ANYTHING if value.startswith("urn:") and len(value) > 4 else ""


class Concepts(dict[str, Any]):
    """CodeableConcepts that passed ``test``, one per first code; compared whole.

    Only those of nothing but strings are kept: of other values, some are equal but not the same
    (``1 == True``). They are copies, because callers may change theirs.
    """

    __slots__ = ("test",)

    def __init__(self, test: Test) -> None:
        super().__init__()
        self.test = test

    def passes(self, value: Any) -> bool:
        """Whether a CodeableConcept passes."""
        try:
            code = value["coding"][0]["code"]
            if self.get(code) == value:
                return True
        except (LookupError, TypeError):
            return bool(self.test(value))
        if not self.test(value):
            return False
        if code not in self:
            copied = _copy(value)
            if copied is not None:
                if len(self) >= REMEMBERED_MAX:
                    self.clear()
                self[code] = copied
        return True


def _copy(value: Any) -> Any:
    """A copy of objects, arrays and strings; ``None`` if anything else is in it."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= _LENGTH_MAX else None
    if kind is dict:
        items = {k: _copy(v) for k, v in value.items()}
        return None if None in items.values() else items
    if kind is list:
        copies = [_copy(v) for v in value]
        return None if None in copies else copies
    return None


#: Tests of rarely seen types and of those whose values repeat too seldom to be remembered.
PLAIN: Final[dict[str, Test]] = {
    "base64Binary": _base64,
    "xhtml": _xhtml,
    "id": _ID.fullmatch,
    "decimal": number,
}

#: Types whose values are remembered.
REMEMBERED: Final[dict[str, Remembered]] = {
    **dict.fromkeys(("uri", "url", "canonical"), Remembered(_uri)),
    "code": Remembered(_code),
    **{n: Remembered(_pattern(n)) for n in ("date", "dateTime", "instant", "time", "oid", "uuid")},
}


def test_source(name: str, value: str) -> str:
    """The Python expression that tests ``value`` (an expression, too) to be of a primitive type.

    It may raise ``TypeError``, ``AttributeError`` or ``ArithmeticError`` for a value of a wrong
    type. Names it uses: ``text``, ``t_<type>`` and ``r_<type>`` (see :func:`names`).
    """
    if name == "boolean":
        return f"((x := {value}) is True or x is False)"
    if name in ("integer", "unsignedInt", "positiveInt"):
        about = PRIMITIVES[name]
        return f"type(x := {value}) is int and {about['minimum']} <= x <= {about['maximum']}"
    if name in ("string", "markdown"):
        # printable leaves no white space but the blank, and neither controls nor surrogates
        return f"((x := {value})[:1] > ' ' and x.isprintable() or text(x))"
    if name == "decimal":
        return f"(type(x := {value}) is Decimal and x.is_finite() or t_decimal(x))"
    if name in REMEMBERED:
        return f"((x := {value}) in r_{name} or l_{name}(x))"
    return f"t_{name}({value})"


def names() -> dict[str, Any]:
    """What the expressions of :func:`test_source` refer to."""
    return {
        "Decimal": Decimal,
        "text": text,
        **{f"t_{n}": t for n, t in PLAIN.items()},
        **{f"r_{n}": r for n, r in REMEMBERED.items()},
        **{f"l_{n}": r.learn for n, r in REMEMBERED.items()},
    }


@cache
def _primitive_test(name: str) -> Test:
    place: dict[str, Any] = {}
    source = f"def test(v):\n    return {test_source(name, 'v')}\n"
    exec(compile(source, f"<{name}>", "exec"), names(), place)  # noqa: S102  (our own source)
    test: Test = place["test"]
    return test


def is_primitive(name: str, value: Any) -> bool:
    """Whether a value certainly is one of the primitive type; ``False`` decides nothing."""
    try:
        return bool(_primitive_test(name)(value))
    except (TypeError, AttributeError, ArithmeticError, ValueError):
        return False
