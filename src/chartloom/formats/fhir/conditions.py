"""JSON Schema conditions as Python expressions, decided as far as the keys of an object tell.

Only the keywords that :mod:`~chartloom.formats.fhir.schema` uses for what JSON objects must hold
together; any other raises :class:`Unsupported`, so that nothing is passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Protocol

Schema = dict[str, Any]
#: ``True`` or ``False`` where the keys decide it, else the source of an expression.
Condition = bool | str


class Unsupported(Exception):
    """A schema that cannot be put as an expression here."""


class Names(Protocol):
    """Resolves what a condition refers to by ``$ref``."""

    def definition(self, name: str, value: str) -> Condition | Schema:
        """The condition on ``value`` of a definition, or its schema to be read further."""


def both(conditions: Iterable[Condition]) -> Condition:
    """All conditions hold."""
    open_: list[str] = []
    for c in conditions:
        if c is False:
            return False
        if isinstance(c, str):
            open_.append(c)
    return f"({' and '.join(open_)})" if open_ else True


def either(conditions: Iterable[Condition]) -> Condition:
    """At least one condition holds."""
    open_: list[str] = []
    for c in conditions:
        if c is True:
            return True
        if isinstance(c, str):
            open_.append(c)
    return f"({' or '.join(open_)})" if open_ else False


def negated(condition: Condition) -> Condition:
    """The condition does not hold."""
    return f"(not {condition})" if isinstance(condition, str) else not condition


class Reader:
    """Turns schemas into conditions."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._loops = itertools.count()

    def condition(
        self, schema: Schema | bool, value: str, keys: frozenset[str] | None
    ) -> Condition:
        """What ``schema`` asks of the expression ``value``.

        keys: those of the object, or ``None`` if not known (then the expression looks them up).
        The object must already have passed the tests of its type.
        """
        if isinstance(schema, bool):
            return schema
        return both(self._keyword(k, a, schema, value, keys) for k, a in schema.items())

    def _keyword(
        self, keyword: str, about: Any, schema: Schema, value: str, keys: frozenset[str] | None
    ) -> Condition:
        if keyword == "then":  # read with its "if"
            return True
        if keyword == "if":
            about = (about, schema["then"])
        method = getattr(self, f"_{keyword.removeprefix('$').lower()}", None)
        if method is None:
            raise Unsupported(keyword)
        result: Condition = method(about, value, keys)
        return result

    def _ref(self, about: str, value: str, keys: frozenset[str] | None) -> Condition:
        found = self.names.definition(about.removeprefix("#/$defs/"), value)
        return self.condition(found, value, keys) if isinstance(found, dict) else found

    def _has(self, name: str, value: str, keys: frozenset[str] | None) -> Condition:
        return f"{name!r} in {value}" if keys is None else name in keys

    def _required(self, names: list[str], value: str, keys: frozenset[str] | None) -> Condition:
        return both(self._has(n, value, keys) for n in names)

    def _minproperties(self, least: int, value: str, keys: frozenset[str] | None) -> Condition:
        return f"len({value}) >= {least}" if keys is None else len(keys) >= least

    def _maxproperties(self, most: int, value: str, keys: frozenset[str] | None) -> Condition:
        return f"len({value}) <= {most}" if keys is None else len(keys) <= most

    def _properties(self, about: Schema, value: str, keys: frozenset[str] | None) -> Condition:
        return both(
            either(
                (
                    negated(self._has(name, value, keys)),
                    self.condition(schema, f"{value}[{name!r}]", None),
                )
            )
            for name, schema in about.items()
            if keys is None or name in keys
        )

    def _dependentrequired(
        self, about: dict[str, list[str]], value: str, keys: frozenset[str] | None
    ) -> Condition:
        return both(
            either((negated(self._has(n, value, keys)), self._required(others, value, keys)))
            for n, others in about.items()
        )

    def _dependentschemas(
        self, about: dict[str, Schema], value: str, keys: frozenset[str] | None
    ) -> Condition:
        return both(
            either((negated(self._has(n, value, keys)), self.condition(schema, value, keys)))
            for n, schema in about.items()
        )

    def _allof(self, about: list[Schema], value: str, keys: frozenset[str] | None) -> Condition:
        return both(self.condition(s, value, keys) for s in about)

    def _anyof(self, about: list[Schema], value: str, keys: frozenset[str] | None) -> Condition:
        return either(self.condition(s, value, keys) for s in about)

    def _oneof(self, about: list[Schema], value: str, keys: frozenset[str] | None) -> Condition:
        conditions = [self.condition(s, value, keys) for s in about]
        if any(isinstance(c, str) for c in conditions):
            raise Unsupported("oneOf")
        return conditions.count(True) == 1

    def _not(self, about: Schema, value: str, keys: frozenset[str] | None) -> Condition:
        return negated(self.condition(about, value, keys))

    def _if(
        self, about: tuple[Schema, Schema], value: str, keys: frozenset[str] | None
    ) -> Condition:
        when, then = (self.condition(s, value, keys) for s in about)
        return either((negated(when), then))

    def _enum(self, about: list[str], value: str, keys: frozenset[str] | None) -> Condition:
        return one_of(about, value)

    def _const(self, about: str, value: str, keys: frozenset[str] | None) -> Condition:
        return one_of([about], value)

    def _minimum(self, about: int, value: str, keys: frozenset[str] | None) -> Condition:
        return f"{value} >= {about:d}"

    def _items(self, about: Schema, value: str, keys: frozenset[str] | None) -> Condition:
        return self._each("all", about, value)

    def _contains(self, about: Schema, value: str, keys: frozenset[str] | None) -> Condition:
        return self._each("any", about, value)

    def _each(self, how: str, about: Schema, value: str) -> Condition:
        each = f"e{next(self._loops)}"
        inner = self.condition(about, each, None)
        return f"{how}({inner} for {each} in {value})"


def one_of(codes: list[str], value: str) -> str:
    """The expression that tells whether ``value`` is one of ``codes``."""
    if not all(isinstance(c, str) for c in codes):
        raise Unsupported("enum")
    return f"{value} in {{{', '.join(map(repr, codes))}}}"
