"""What an operation of merging answers: of two records that are there, and joined if they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.resource import ResourceState
from chartloom.guard.authority import AccessDenied
from chartloom.serve.identity.merging import _Answer

GRANT: Any = object()
ASKED: Any = SimpleNamespace(pair=("a", "b"), source="a", target="b")


def answer(there: tuple[str, ...], **persons: str) -> _Answer:
    """Of a site with these records, that belong to these persons."""
    states = {i: ResourceState({"resourceType": "Patient", "id": i}, i, {}) for i in there}
    came = [SimpleNamespace(source_patient=s, person_id=p) for s, p in persons.items()]
    identities = SimpleNamespace(
        words_of=lambda *asked: [], review=lambda *asked: None, decision=lambda *asked: None,
        memberships=lambda *asked: came,
    )  # fmt: skip
    console: Any = SimpleNamespace(store=SimpleNamespace(states=lambda *asked: states))
    door: Any = SimpleNamespace(identities=identities)
    return _Answer(GRANT, console, door, ASKED, "me")


@pytest.mark.parametrize("there", [(), ("a",), ("b",)])
def test_both_records_are_there(there: tuple[str, ...]) -> None:
    with pytest.raises(AccessDenied):
        answer(there)


def test_joined_are_two_records_of_one_person() -> None:
    both = ("a", "b")
    assert answer(both, a="x", b="x")._joined() is True
    assert answer(both, a="x", b="y")._joined() is False
    assert answer(both, a="x")._joined() is False
    assert answer(both)._joined() is False
    assert answer(both, a="x", b="y").done(said=True).status_code == 202
    assert answer(both, a="x", b="x").done(said=True).status_code == 200
