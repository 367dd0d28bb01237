"""Evidence is told of what there is, of the same derivation, and of the part that was asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import NotFound
from chartloom.domain.resource import ResourceState, Stamp
from chartloom.serve.bytes_view import Page
from chartloom.serve.chart_pages import _document
from chartloom.serve.evidence import prove
from chartloom.serve.tracing import _is_in, _same

GRANT: Any = object()
A, B = {"resourceType": "Condition", "id": "a"}, {"resourceType": "Condition", "id": "b"}


def message(*resources: dict[str, Any], shown: tuple[Any, ...] = ()) -> Any:
    return SimpleNamespace(resources=resources, message=SimpleNamespace(shown=shown))


def derived(*resources: dict[str, Any]) -> Any:
    contributions = [SimpleNamespace(resource=r) for r in resources]
    return SimpleNamespace(derived=SimpleNamespace(contributions=contributions))


def test_what_was_recomputed_is_what_was_stored() -> None:
    assert _same(derived(A, B), message(B, A))
    assert not _same(derived(A), message(A, B))
    assert not _same(derived(A, B), message(A))
    assert not _same(derived(A | {"code": {}}), message(A))
    assert _same(derived(A, B), message(A, shown=((0, 9),))), "of an excerpt, as far as it goes"
    assert not _same(derived(A | {"code": {}}, B), message(A, shown=((0, 9),)))


def test_evidence_for_a_part_is_for_the_element_and_for_no_other() -> None:
    def is_in(element: str) -> bool:
        evidence: Any = SimpleNamespace(element=element)
        return _is_in(evidence, "name")

    assert [is_in(e) for e in ("name[0].family", "name.family")] == [True, True]
    assert [is_in(e) for e in ("names", "nam", "birthDate", "x.name")] == [False] * 4


def test_an_element_that_is_not_there_has_no_evidence() -> None:
    state = ResourceState(A, "p", {"code": Stamp(1, 5, 7)})
    console: Any = SimpleNamespace(store=SimpleNamespace(state=lambda grant, id: state))
    with pytest.raises(NotFound, match="no such element"):
        prove(GRANT, console, "a", "birthDate")


def test_only_documents_are_read_as_documents() -> None:
    state = ResourceState(A, "p", {})
    console: Any = SimpleNamespace(store=SimpleNamespace(state=lambda grant, id: state))
    with pytest.raises(NotFound, match="not a document"):
        _document(GRANT, console, "a")


@pytest.mark.parametrize(
    ("start", "end", "cut"), [(0, 9, False), (1, 9, True), (0, 8, True), (3, 4, True)]
)
def test_of_a_message_that_is_drawn_whole_nothing_is_cut(start: int, end: int, cut: bool) -> None:
    html: Any = ""
    assert Page(html, start, end, 9).cut is cut
