"""What a document leaves out counts only if the whole of it was read, and only once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.support.clinical_documents import cda, document, drug, section
from tests.support.medication_lists import Told, fill, order, reconciled

from chartloom.chart.reconcile import Line
from chartloom.formats.documents.lists import document_lists, text_lists

_OTHERS = ("Lisinopril 10 mg", "Atorvastatin 20 mg", "Metformin 500 mg")
_NAMED = "Discharge medications:\n" + "".join(f"- {n} daily\n" for n in _OTHERS)


def _taken(ago: float, days: int) -> list[Told]:
    told = []
    for number, name in enumerate((*_OTHERS, "Metoprolol tartrate 25 mg")):
        told.append(order(f"o{number}", name, 400))
        told += [fill(f"f{number}-{n}", name, ago + days * n, days=days) for n in range(6)]
    return told


def _line(*documents: Told, ago: float = 75, days: int = 90) -> Line:
    lines = {x.key: x for x in reconciled(*_taken(ago, days), *documents).lines}
    return lines["metoprolol|unspecified"]


def _text(text: str, id: str = "d", ago: float = 5) -> Told:
    return document(id, text.encode(), ago, "text/plain")


def _silent(line: Line) -> bool:
    return "not-on-later-list" in line.because


def test_a_list_without_it_speaks_against_it() -> None:
    assert _silent(_line(_text(_NAMED)))


@pytest.mark.parametrize("line", [
    "Metoprolol tartrate 25 mg twice daily, hold if SBP < 100",
    "Metoprolol tartrate 25 mg twice daily, no refills",
    "Metoprolol tartrate 25 mg - family to help",
    "Is metoprolol still needed?",
    "Lisinopril 5 mg or metoprolol",
    "Metoprolol: 25 mg twice daily",
    "x y z " * 20 + "metoprolol",
])  # fmt: skip
def test_a_list_is_not_silent_about_what_any_of_its_lines_names(line: str) -> None:
    assert not _silent(_line(_text(f"{_NAMED}- {line}\n")))


@pytest.mark.parametrize("more", [
    "- Zebrafluff 10 mg\n",
    "- Ask mother\n",
    "- Lisinopril 10 mg daily\n" * 40,
    "- Is lisinopril needed?\n" * 41,
    "\n" * 64_000 + "- Metoprolol\n",
    "- Lisinopril 10 mg " + "daily " * 60 + "metoprolol\n",
])  # fmt: skip
def test_a_list_that_was_not_read_to_its_end_is_not_silent(more: str) -> None:
    assert not _silent(_line(_text(_NAMED + more)))


def test_a_part_that_was_not_read_ends_silence() -> None:
    whole = cda(section("medications", *(drug(n) for n in _OTHERS)))
    id, told = document("d", whole, 5)
    assert _silent(_line((id, told)))
    broken = {"contentType": "text/xml", "data": base64.b64encode(b"<a>").decode()}
    told["content"].append({"attachment": broken})
    assert not _silent(_line((id, told)))


def test_one_list_through_two_feeds_is_one() -> None:
    def believed(*ids: str) -> Any:
        return [_line(*(_text(_NAMED, i) for i in ids), ago=a, days=30).status
                for a in range(10, 130, 10)]  # fmt: skip

    assert believed("d") == believed("d", "e") == believed("d", "e", "f")


@pytest.mark.parametrize(("line", "told"), [
    ("4. Metoprolol 25 mg twice daily, hold if SBP < 100",
     ("Metoprolol 25 mg twice daily, hold if SBP < 100", "noted")),
    ("Ramipril 5 mg (do not take with ibuprofen)", ("Ramipril 5 mg", "noted")),
    ("Warfarin 5 mg, do not stop", ("Warfarin 5 mg, do not stop", "noted")),
    ("Metoprolol 25 mg stop date 2027", ("Metoprolol 25 mg stop date 2027", "noted")),
    ("Cetirizine 10 mg for allergies", ("Cetirizine 10 mg for allergies", "noted")),
    ("STOP Ibuprofen 400 mg", ("STOP Ibuprofen 400 mg", "noted-stopped")),
    ("Metformin 500 mg twice daily - STOP taking",
     ("Metformin 500 mg twice daily - STOP taking", "noted-stopped")),
    ("Apixaban 5 mg, no refills", ("Apixaban 5 mg, no refills", "noted")),
    ("Apixaban 5 mg, stop 2 days before surgery",
     ("Apixaban 5 mg, stop 2 days before surgery", "noted")),
    ("Continue aspirin 81 mg until stopped by cardiology",
     ("Continue aspirin 81 mg until stopped by cardiology", "noted")),
    ("Stopped apixaban before the fall", ("Stopped apixaban before the fall", "noted-stopped")),
])  # fmt: skip
def test_everyday_directions_make_no_line_unsure(line: str, told: tuple[str, str]) -> None:
    (found,) = text_lists(f"Medications:\n{line}\n")["drugs"]
    assert (found["text"], found["says"]) == told


@pytest.mark.parametrize("line", [
    "do not take Warfarin", "Warfarin on hold", "no Aspirin",
    "Apixaban, only if the echo is normal", "Warfarin, hold for surgery", "hold Warfarin",
    "never took Warfarin", "Warfarin?",
])  # fmt: skip
def test_doubt_stays_doubt_and_is_a_mention(line: str) -> None:
    found = text_lists(f"Medications:\n{line}\n")
    assert found == {"mentions": [line]}
    assert "mentions" not in document_lists(_text(f"Problems:\n{line}\n")[1])
