"""By which codes and words drugs are told apart, and that whoever breaks the glass is on record."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.access import message_subject
from chartloom.domain.grant import Purpose
from chartloom.formats.fhir.codings import NDC, normal
from chartloom.guard.audit import Actor, Context
from chartloom.guard.breaking import break_glass
from chartloom.guard.denied_drugs import RXNORM, UNKNOWN, denied_drugs, ingredients_of
from chartloom.guard.staff import Principal
from chartloom.guard.withholding import _like, _said

NDC_SYSTEM = "http://hl7.org/fhir/sid/ndc"
WARFARIN = "11289"


def coded(system: str, code: str = WARFARIN) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def test_codes_of_other_systems_are_no_codes_of_drugs() -> None:
    assert ingredients_of(coded(RXNORM)) == ("warfarin",)
    assert ingredients_of(coded("urn:id:pharmacy")) == (UNKNOWN,)
    assert denied_drugs([coded("urn:id:pharmacy")]) is None
    assert denied_drugs([{"coding": ["?"]}]) is None


def test_words_that_nobody_knows_are_no_ingredient() -> None:
    assert ingredients_of({"text": "moon dust"}) == (UNKNOWN,)


def test_a_package_is_like_packages_only() -> None:
    package = normal(NDC_SYSTEM, "0069-0468-56")
    assert package[0] == NDC
    assert _like(_said(((NDC_SYSTEM, "0069-0468-30"),)), *package)
    assert not _like(_said(((RXNORM, "0069-0468-30"),)), *package)


@pytest.mark.parametrize("subject", ["", message_subject(7)])
def test_emergency_access_is_on_record_before_it_is_open(subject: str) -> None:
    happened: list[str] = []
    authority: Any = SimpleNamespace(
        context=lambda *asked: Context(1, Actor("ann"), Purpose.BREAK_GLASS),
        record=lambda event: happened.append("recorded"),
    )
    records: Any = SimpleNamespace(add=lambda own, glass: happened.append("open"))
    permit: Any = SimpleNamespace(patients=("p",), purpose=Purpose.OPERATIONS, grant=None)
    nothing: Any = None
    glass = break_glass(
        authority, permit, Principal("ann"), nothing, records, nothing,
        reason="mend", text="it is needed", now_us=1, until_us=2, subject=subject,
    )  # fmt: skip
    assert happened == ["recorded", "open"]
    assert glass.source_patients == ((subject,) if subject else ("p",))
