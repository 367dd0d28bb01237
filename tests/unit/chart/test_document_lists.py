"""Clinical documents, HTML and Compositions as evidence of drugs, allergies and problems."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clinical_documents import allergy, cda, document, drug, problem, section
from tests.support.medication_lists import (
    NOW_US,
    Told,
    chart_of,
    day,
    ended,
    fill,
    listed,
    misfits,
    order,
    reconciled,
)

from chartloom.chart.reconcile import (
    Line,
    builtin_rules,
    reconcile_allergies,
    reconcile_problems,
)
from chartloom.formats.documents.lists import DOCUMENT_BYTES_MAX, document_lists


def _lines(*told: Told) -> dict[str, Line]:
    return {x.key: x for x in reconciled(*told).lines}


def _allergies(*told: Told) -> dict[str, Line]:
    made = reconcile_allergies(chart_of(told), builtin_rules(), NOW_US)
    return {x.key: x for x in made.lines}


def _problems(*told: Told) -> dict[str, Line]:
    made = reconcile_problems(chart_of(told), builtin_rules(), NOW_US)
    return {x.key: x for x in made.lines}


def _said(line: Line) -> tuple[str, str]:
    return line.status, line.reason


def test_a_coded_entry_is_a_word_but_no_sign_that_it_is_taken() -> None:
    data = cda(section("medications", drug("Lisinopril 10 mg tablet")))
    line = _lines(document("d", data, 3))["lisinopril|oral"]
    assert (*_said(line), line.standing) == ("unknown", "listed-some-time-ago", "unconfirmed")
    (fact,) = line.facts
    assert (fact.resource_type, fact.resource_id, fact.says) == ("DocumentReference", "d", "listed")
    start, end = (int(n) for n in fact.detail["place"].removeprefix("bytes ").split(" to "))
    assert data[start:end].startswith(b"<substanceAdministration")
    assert data[start:end].endswith(b"</substanceAdministration>")
    ordered = order("o", "Lisinopril 10 mg tablet", 200)
    line = _lines(ordered, document("d", data, 3))["lisinopril|oral"]
    assert _said(line) == ("unknown", "order-unconfirmed")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (drug("Warfarin 5 mg tablet", status="aborted"), "explicit-stop"),
        (drug("Warfarin 5 mg tablet", negated=True), "not-taken"),
        (drug("Warfarin 5 mg tablet", status="completed", until="20251201"), "course-completed"),
        (drug("Warfarin 5 mg tablet", status="completed"), "listed-long-ago"),
        (drug("Warfarin 5 mg tablet", status="suspended"), "order-on-hold"),
        (drug("Warfarin 5 mg tablet", until="20251201"), "course-ended"),
    ],
)
def test_what_a_status_says(entry: str, reason: str) -> None:
    line = _lines(document("d", cda(section("medications", entry)), 3))["warfarin|oral"]
    assert line.reason == reason


def test_a_copied_list_revives_nothing_and_a_coded_stop_is_named() -> None:
    stopped = ended(order("o", "Warfarin 5 mg tablet", 300, who="clinic"), "stopped", 20)
    copied = document("d", cda(section("medications", drug("Warfarin 5 mg tablet"))), 2)
    assert _said(_lines(stopped, copied)["warfarin|oral"]) == ("stopped", "explicit-stop")
    taken = [order("o", "Warfarin 5 mg tablet", 60, who="clinic"),
             fill("f", "Warfarin 5 mg tablet", 10, of="o")]  # fmt: skip
    entry = drug("Warfarin 5 mg tablet", status="aborted", until="20260226")
    line = _lines(*taken, document("d", cda(section("medications", entry)), 2))["warfarin|oral"]
    assert _said(line) == ("unknown", "stopped-in-one-source")
    assert "stopped-elsewhere" in misfits(line)


def test_a_table_of_a_narrative_and_html() -> None:
    rows = (
        "<table><tr><th>Drug</th><th>Status</th></tr><tr><td>Furosemide 40 mg tablet</td>"
        "<td>Active</td></tr><tr><td>Ibuprofen 400 mg tablet</td><td>Discontinued</td></tr>"
        "<tr><td>No aspirin</td><td></td></tr></table>"
    )
    html = f"<h2>Discharge medications</h2>{rows}<h2>Plan</h2><p>Amlodipine 5 mg later</p>"
    for told in (
        document("d", cda(section("10183-2", text=rows)), 3),
        document("d", html.encode(), 3, "text/html"),
    ):
        found = _lines(told)
        assert {k: x.sources["house"] for k, x in found.items()} == {
            "furosemide|oral": "noted", "ibuprofen|oral": "noted-stopped",
        }  # fmt: skip
        assert {k: x.reason for k, x in found.items()} == {
            "furosemide|oral": "noted-only", "ibuprofen|oral": "noted-stopped-only",
        }  # fmt: skip


def _composition(**section: Any) -> Told:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><ul><li>Apixaban 5 mg tablet</li></ul></div>'
    made = {"title": "Medications", "text": {"status": "generated", "div": div}} | section
    return "house", {"resourceType": "Composition", "id": "c", "status": "final",
                     "date": day(2), "title": "Summary", "section": [made]}  # fmt: skip


def test_the_narrative_of_a_composition_counts_where_it_points_at_no_entries() -> None:
    found = _lines(_composition())
    assert {k: x.reason for k, x in found.items()} == {"apixaban|oral": "noted-only"}
    assert [f.resource_type for x in found.values() for f in x.facts] == ["Composition"]
    assert _lines(_composition(entry=[{"reference": "MedicationStatement/1"}])) == {}
    coded = {"coding": [{"system": "http://loinc.org", "code": "10160-0"}]}
    assert set(_lines(_composition(title="What you take", code=coded))) == {"apixaban|oral"}
    assert _lines(_composition(title="What you take")) == {}


def test_a_note_among_results_is_read() -> None:
    note = {"resourceType": "Observation", "id": "n", "status": "final",
            "effectiveDateTime": day(1), "code": {"text": "Progress note"},
            "valueString": "Medications:\n- Metformin 500 mg tablet\nAssessment: fine"}  # fmt: skip
    (line,) = _lines(("house", note)).values()
    assert (line.key, line.reason, line.facts[0].resource_type) == (
        "metformin|oral", "noted-only", "Observation",
    )  # fmt: skip


def test_a_later_list_that_leaves_it_out_speaks_against_it() -> None:
    kept = [
        order(d, f"{d} 10 mg tablet", 300, who="clinic") for d in ("lisinopril", "atorvastatin")
    ]
    told = [
        *kept, order("w", "Warfarin 5 mg tablet", 300, who="clinic"),
        *(fill(f"f{i}", t, 40, of=o, days=90) for i, (o, t) in enumerate(
            (("lisinopril", "lisinopril 10 mg tablet"),
             ("atorvastatin", "atorvastatin 10 mg tablet"),
             ("w", "Warfarin 5 mg tablet")))),
    ]  # fmt: skip
    assert _said(_lines(*told)["warfarin|oral"]) == ("active", "order-active-and-filled")
    asked = [
        listed("l1", "lisinopril 10 mg tablet", 5),
        listed("l2", "atorvastatin 10 mg tablet", 5),
    ]
    line = _lines(*told, *asked)["warfarin|oral"]
    assert _said(line) == ("unknown", "filled-some-time-ago")
    assert "not-on-later-list" in line.because
    assert _said(_lines(*told, *asked)["lisinopril|oral"])[0] == "active"
    alone = _lines(*told, asked[0])["warfarin|oral"]
    assert _said(alone)[0] == "active"
    assert "not-on-later-list" not in alone.because
    entries = (drug("lisinopril 10 mg tablet"), drug("atorvastatin 10 mg tablet"))
    told_by = document("d", cda(section("medications", *entries), made="20260225"), 4)
    assert "not-on-later-list" in _lines(*told, told_by)["warfarin|oral"].because


def test_allergies_of_documents() -> None:
    found = _allergies(document("d", cda(section("allergies", allergy("Penicillin"),
                                                 allergy("Latex", negated=True))), 3))  # fmt: skip
    by_text = {x.text: _said(x) for x in found.values()}
    assert by_text == {"Penicillin": ("active", "listed"), "Latex": ("refuted", "refuted")}
    denied = _allergies(document("d", cda(section("allergies", allergy("", negated=True))), 3))
    assert [_said(x) for x in denied.values()] == [("active", "none-known")]
    text = "Allergies: Penicillin; Zebrafluff; NKDA\nAllergies:\n- no latex\n"
    noted = _allergies(document("d", text.encode(), 3, "text/plain"))
    assert [(x.text, *_said(x)) for x in noted.values()] == [
        ("Penicillin", "unknown", "noted-only")
    ]


def test_problems_of_documents() -> None:
    data = cda(section("problems", problem("Asthma", "195967001"),
                       problem("Atrial fibrillation", "49436004", until="20250101"),
                       problem("Heart failure", "84114007", negated=True)))  # fmt: skip
    found = {x.text: _said(x) for x in _problems(document("d", data, 3)).values()}
    assert found == {
        "Asthma": ("active", "listed"), "Atrial fibrillation": ("resolved", "resolved"),
        "Heart failure": ("refuted", "refuted"),
    }  # fmt: skip
    text = "Problem list:\n- Asthma\n- possible heart failure\n- Feels well\n"
    noted = _problems(document("d", text.encode(), 3, "text/plain"))
    assert [(x.text, *_said(x)) for x in noted.values()] == [("Asthma", "unknown", "noted-only")]


def test_what_is_not_read_says_why() -> None:
    def told(data: bytes, kind: str = "text/xml") -> dict[str, Any]:
        return document_lists(document("d", data, 1, kind)[1])

    whole = cda(section("medications", drug("Warfarin 5 mg")))
    assert told(whole)["drugs"][0]["text"] == "Warfarin 5 mg"
    assert told(whole, "")["drugs"] == told(whole)["drugs"]
    assert told(whole[:-9]) == {"unread": "malformed"}
    typed = cda(section("medications", drug("Warfarin")), before="<!DOCTYPE x>")
    assert told(typed) == {"unread": "declares-types"}
    assert told(b" " * (DOCUMENT_BYTES_MAX + 9)) == {"unread": "too-large"}
    many = cda(section("medications", *(drug(f"Drug {n}") for n in range(50))))
    assert (len(told(many)["drugs"]), told(many)["clipped"]) == (40, True)
