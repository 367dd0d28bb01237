"""A document that is plainly about somebody else adds nothing to a patient's lists."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clinical_documents import cda, document, drug, section, target
from tests.support.medication_lists import Told, chart_of, reconciled

_JANE = {"resourceType": "Patient", "id": "p", "birthDate": "1950-03-04", "gender": "female",
         "name": [{"family": "Miller", "given": ["Jane"], "prefix": ["Dr."]}],
         "identifier": [{"system": "urn:oid:1.2.3", "value": "0042"}]}  # fmt: skip


def _about(*who: str, id: str = "d") -> Told:
    entry = section("medications", drug("Warfarin 5 mg tablet"))
    return document(id, cda(entry, about=target(*who) if who else ""), 3)


def _named(*told: Told) -> set[str]:
    return {x.key for x in reconciled(*told).lines}


@pytest.mark.parametrize("who", [
    ("Rosa", "Alvarez", "19810709", "77"),
    ("Rosa", "Alvarez", "19810709", "42"),
    ("Peter", "Miller", "19810709", "77"),
    ("Rosa", "Alvarez", "", "77"),
])  # fmt: skip
def test_somebody_else(who: tuple[str, ...]) -> None:
    told = [("house", _JANE), _about(*who)]
    assert _named(*told) == set()
    (entry,) = _documents(*told)
    assert entry["unread"] == "somebody-else"
    assert not {"drugs", "about"} & entry.keys()


def _documents(*told: Told) -> tuple[dict[str, Any], ...]:
    return chart_of(told).sections["documents"].entries


@pytest.mark.parametrize("who", [
    (),
    ("Jane", "Miller", "19500304", "42"),
    ("Jane", "Brown", "19810709", "77"),
    ("Janet", "Miller", "19500403", "77"),
    ("Rosa", "Alvarez", "19500304", "77"),
    ("Rosa", "Miller", "19810709", "42"),
    ("Rosa", "Alvarez", "", ""),
    ("Rosa", "Miller", "", "77"),
    ("", "Alvarez", "19810709", "77"),
])  # fmt: skip
def test_whoever_may_be_the_same_is(who: tuple[str, ...]) -> None:
    told = [("house", _JANE), _about(*who)]
    assert _named(*told) == {"warfarin|oral"}
    (entry,) = _documents(*told)
    assert not {"unread", "about"} & entry.keys()


def test_of_several_records_one_that_fits_is_enough() -> None:
    other = _JANE | {"id": "q", "birthDate": "1981-07-09",
                     "name": [{"family": "Alvarez", "given": ["Rosa"]}]}  # fmt: skip
    document = _about("Rosa", "Alvarez", "19810709")
    assert _named(("house", _JANE), ("other", other), document) == {"warfarin|oral"}
    nobody = _JANE | {"name": [{"family": "Doe", "given": ["John"]}]}
    assert _named(("house", nobody), document) == {"warfarin|oral"}
    assert _named(document) == {"warfarin|oral"}


def test_only_the_part_that_is_about_somebody_else_is_left_out() -> None:
    who, told = _about("Jane", "Miller", "19500304")
    told["content"] += _about("Rosa", "Alvarez", "19810709")[1]["content"]
    apixaban = cda(section("medications", drug("Apixaban 5 mg tablet")))
    told["content"] += document("e", apixaban, 1)[1]["content"]
    assert _named(("house", _JANE), (who, told)) == {"warfarin|oral", "apixaban|oral"}
    (entry,) = _documents(("house", _JANE), (who, told))
    assert [x.get("part", 0) for x in entry["drugs"]] == [0, 2]
