"""Patients with many identifiers: what says nothing takes no room, and what is left out is told."""

from __future__ import annotations

from typing import Any

from chartloom.registry.persons import has_more_numbers, standardise

_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def _numbers(code: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    type_ = {"type": {"coding": [{"system": _TYPES, "code": code}]}} if code else {}
    return [
        type_ | {"system": f"urn:x:{n}", "value": f"A{n:07d}"} for n in range(first, first + count)
    ]


def test_accounts_and_visits_take_no_room_from_record_numbers() -> None:
    said = [*_numbers("AN", 40), *_numbers("MR", 2, 90)]
    assert [n.value for n in standardise({"identifier": said}).numbers] == ["A0000090", "A0000091"]
    assert not has_more_numbers(said)


def test_of_too_many_numbers_those_of_systems_and_states_are_kept() -> None:
    said = [*_numbers("", 16), *_numbers("MR", 1, 90), *_numbers("PPN", 1, 91)]
    found = standardise({"identifier": said}).numbers
    assert len(found) == 16
    assert [n.value for n in found[:2]] == ["A0000090", "A0000091"]
    assert has_more_numbers(said)


def test_sixteen_numbers_are_not_too_many() -> None:
    assert not has_more_numbers(_numbers("MR", 16))
    assert has_more_numbers(_numbers("MR", 17))
    assert not has_more_numbers(_numbers("MR", 16) * 2)


def test_what_is_no_list_has_no_numbers() -> None:
    assert not has_more_numbers(None)
    assert not has_more_numbers("MR" * 20)
    assert not has_more_numbers([None, 1, "x"] * 20)


def test_identifiers_beyond_all_measure_are_not_looked_at() -> None:
    assert has_more_numbers(_numbers("AN", 513))
    assert standardise({"identifier": [*_numbers("AN", 512), *_numbers("MR", 1)]}).numbers == ()
