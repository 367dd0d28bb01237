"""A record written over by somebody who happens to share the given name."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.registry.persons import (
    Outcome,
    decide,
    default_parameters,
    is_overlay,
    standardise,
)


def name(family: str, *given: str) -> dict[str, Any]:
    return {"name": [{"family": family, "given": list(given)}]}


def ssn(value: str) -> dict[str, Any]:
    return {"identifier": [{"type": {"coding": [{"code": "SS"}]}, "value": value}]}


_RECORD = {"type": {"coding": [{"code": "MR"}]}, "system": "urn:here", "value": "77"}
_MOVED = {"address": [{"line": ["77 Elm Ave"], "postalCode": "94110", "city": "Mission"}]}
_OTHER = {"birthDate": "1991-11-23", "telecom": [], **_MOVED, **ssn("541229917")}
_JOHN = {
    **name("Smith", "John"),
    "gender": "male",
    "birthDate": "1950-03-04",
    "address": [{"line": ["12 Heron Lane"], "city": "Glenton", "postalCode": "85000"}],
    "telecom": [{"system": "phone", "value": "480 112 3456"}],
}


def _both(change: dict[str, Any]) -> tuple[bool, Outcome]:
    before = {**_JOHN, **ssn("912345671")}
    after = {**before, **change}
    told = [
        standardise({**r, "identifier": [*r.get("identifier", ()), _RECORD]})
        for r in (before, after)
    ]
    parameters = default_parameters()
    return is_overlay(*told, parameters), decide(*told, parameters).outcome


@pytest.mark.parametrize(
    "change",
    [
        {**_OTHER, **name("Miller", "John")},
        {**_OTHER, **name("Miller", "John"), "identifier": []},
        {**_OTHER, **name("Miller", "John"), "gender": "female"},
        {**_OTHER, **name("Miller", "Jack")},
        {**_OTHER, **name("Miller", "Joan"), "gender": "female"},
        {**_OTHER, **name("Miller", "J")},
        {**_OTHER, "name": [{"family": "Miller"}]},
        {**_OTHER, **name("Miller", "Peter", "John")},
        {**ssn("541229917"), "birthDate": "1980-07-09"},  # his son, of the same name
    ],
)
def test_the_given_name_alone_makes_nobody_the_same(change: dict[str, Any]) -> None:
    assert _both(change) == (True, Outcome.REVIEW)


@pytest.mark.parametrize(
    "change",
    [
        {**name("Miller", "John"), **_MOVED, "telecom": []},  # another name, another home
        {"birthDate": "1980-07-09"},
        {"birthDate": "1950-04-03", **ssn("541229917")},
        {**name("Miller", "John"), "birthDate": "1950-03-14", **ssn("541229917")},
        {**_OTHER, **name("Miller", "John"), **ssn("912345671")},  # the number did not change
    ],
)
def test_corrections_pass(change: dict[str, Any]) -> None:
    assert _both(change) == (False, Outcome.LINK)
