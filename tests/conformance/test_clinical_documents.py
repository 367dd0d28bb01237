"""Clinical documents of other houses: which drugs, allergies and problems are read in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.corpora import corpora_dir
from tests.support.document_invariants import check_document

from chartloom.formats.documents import Cda, read_cda


def _files() -> list[Path]:
    folder = corpora_dir()
    found = [*folder.glob("ms-fhir-converter/ccda/*"), *folder.glob("hl7-ccda-examples/*/*/*.xml")]
    return sorted(f for f in found if b"<ClinicalDocument" in f.read_bytes())


def _read(name: str) -> dict[str, list[str]]:
    file = corpora_dir() / "ms-fhir-converter" / "ccda" / name
    if not file.exists():
        pytest.skip(f"no clinical documents in {corpora_dir()}; set CHARTLOOM_CORPORA")
    found = read_cda(file.read_bytes())
    assert found is not None
    return {s.lists: [f"{e.text}: {e.status}" for e in s.entries] for s in found.sections}


def test_every_document_is_read() -> None:
    files = _files()
    if not files:
        pytest.skip(f"no clinical documents in {corpora_dir()}; set CHARTLOOM_CORPORA")
    told = 0
    for file in files:
        data = file.read_bytes()
        check_document(data)
        found = read_cda(data)
        assert isinstance(found, Cda), file.name
        told += sum(len(s.entries) for s in found.sections)
    assert told >= 110


def test_a_continuity_of_care_document() -> None:
    assert _read("C-CDA_R2-1_CCD.xml.ccda") == {
        "allergies": ["Penicillin: active", "Codeine: active"],
        "medications": [
            "Proventil 0.09 MG/ACTUAT inhalant solution: active",
            "Atenolol 25 MG Oral Tablet: active",
        ],
        "problems": [
            "Pneumonia: resolved", "Chest pain: active", "Angina: active", "Pneumonia: resolved",
        ],
    }  # fmt: skip


def test_what_is_denied() -> None:
    found = _read("CCD.ccda")
    assert found["allergies"] == ["No known allergies: active"]
    none = _read("PROBLEMS_in_Empty_C-CDA_2.1-C-CDAR2.1.ccda")
    assert none["medications"] == []
