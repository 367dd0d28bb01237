"""Documents of strangers: what is read, where it stands, and what is refused."""

from __future__ import annotations

import pytest
from tests.support.clinical_documents import allergy, cda, drug, problem, section

from chartloom.formats.documents import (
    Unread,
    UnreadError,
    markup_lines,
    read_cda,
    text_lines,
)
from chartloom.formats.documents.cda import time_of
from chartloom.formats.documents.lines import LINE_BYTES_MAX
from chartloom.formats.documents.xml_tree import DEPTH_MAX, ELEMENTS_MAX


def test_coded_entries_with_their_bytes() -> None:
    data = cda(
        section(
            "medications",
            drug("Lisinopril 10 mg", code="314076", until="20260101"),
            drug("Warfarin", status="aborted", negated=True, said="20250303"),
        )
    )
    found = read_cda(data)
    assert found is not None
    assert found.time == "2026-02-20T09:30:00+01:00"
    (one,) = found.sections
    first, second = one.entries
    assert (first.text, first.status, first.start, first.end, first.negated) == (
        "Lisinopril 10 mg", "active", "2025-01-01", "2026-01-01", False,
    )  # fmt: skip
    assert first.codes == ("http://www.nlm.nih.gov/research/umls/rxnorm|314076",)
    assert (second.codes, second.status, second.negated, second.said) == (
        (), "aborted", True, "2025-03-03",
    )  # fmt: skip
    for entry in one.entries:
        place = data[entry.first_byte : entry.end_byte]
        assert place.startswith(b"<substanceAdministration")
        assert place.endswith(b"</substanceAdministration>")
        assert entry.text.encode() in place


def test_allergies_and_problems() -> None:
    severity = (
        '<entryRelationship><observation><code code="SEV"/><value code="24484000"/></observation>'
        "</entryRelationship>"
    )
    reaction = (
        '<entryRelationship><observation><code code="ASSERTION"/>'
        '<value displayName="Hives"/></observation></entryRelationship>'
    )
    found = read_cda(cda(
        section("allergies", allergy("Penicillin", more=severity + reaction),
                allergy("", negated=True), allergy("", kind="410942007", negated=True),
                allergy("Latex", negated=True), allergy("")),
        section("problems", problem("Asthma", "195967001"),
                problem("Pneumonia", "233604007", until="2013")),
    ))  # fmt: skip
    assert found is not None
    allergies, problems = found.sections
    assert [(e.text, e.negated, e.severity, e.reactions) for e in allergies.entries] == [
        ("Penicillin", False, "severe", ("Hives",)),
        ("No known allergies", False, "", ()),
        ("No known drug allergies", False, "", ()),
        ("Latex", True, "", ()),
    ]
    assert [(e.text, e.status) for e in problems.entries] == [
        ("Asthma", "active"), ("Pneumonia", "resolved"),
    ]  # fmt: skip


def test_a_finished_concern_is_no_end_of_an_allergy() -> None:
    done = [x.replace('<statusCode code="active"/>', '<statusCode code="completed"/>')
            for x in (allergy("Codeine"), problem("Asthma", "195967001"))]  # fmt: skip
    found = read_cda(cda(section("allergies", done[0]), section("problems", done[1])))
    assert found is not None
    assert [s.entries[0].status for s in found.sections] == ["active", "inactive"]


def test_narrative_counts_where_there_are_no_entries() -> None:
    table = (
        "<table><thead><tr><th>Drug</th><th>Status</th></tr></thead><tbody><tr><td>Ibuprofen"
        "</td><td>Active</td></tr></tbody></table>"
    )
    data = cda(section("medications", text=table))
    found = read_cda(data)
    assert found is not None
    lines = found.sections[0].lines
    assert [(x.text, x.heading) for x in lines] == [
        ("Drug | Status", True), ("Ibuprofen | Active", False),
    ]  # fmt: skip
    assert data[lines[1].start : lines[1].end] == b"Ibuprofen</td><td>Active"
    both = read_cda(cda(section("medications", drug("Warfarin"), text=table)))
    assert both is not None
    assert both.sections[0].lines == ()


def test_words_of_the_narrative_stand_for_a_code_without_a_name() -> None:
    named = drug('<reference value="#m1"/>', code="314076")
    found = read_cda(
        cda(section("medications", named, text='<content ID="m1">Lisinopril</content>'))
    )
    assert found is not None
    assert [e.text for e in found.sections[0].entries] == ["Lisinopril"]


_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
_FETCH = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("before", [_LAUGHS, _FETCH, "<!DOCTYPE ClinicalDocument>",
                                    '<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd">'])  # fmt: skip
def test_documents_that_declare_types_are_refused(before: str) -> None:
    with pytest.raises(UnreadError) as refused:
        read_cda(cda(section("medications", drug("&b;" if "a;" in before else "x")), before=before))
    assert refused.value.reason is Unread.DECLARES_TYPES


def test_limits() -> None:
    deep = b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1)
    many = b"<a>" + b"<b/>" * ELEMENTS_MAX + b"</a>"
    for data in (deep, many):
        with pytest.raises(UnreadError) as refused:
            read_cda(data)
        assert refused.value.reason is Unread.TOO_LARGE
    whole = cda(section("medications", drug("Warfarin")))
    for data in (b"", b"no", whole[:-5], b"\xff\xfe\x00", whole.replace(b"UTF-8", b"EBCDIC-9")):
        with pytest.raises(UnreadError) as refused:
            read_cda(data)
        assert refused.value.reason is Unread.MALFORMED
    assert read_cda(b"<feed/>") is None


def test_lines_of_markup() -> None:
    data = (
        b"<html><head><title>T</title></head><style>p{}</style><h1>Medications</h1>"
        b"<ul><li>Aspirin&nbsp;81&#32;mg<li>Dose <5 mg</ul><script>x<b</script><p>End <!-- <p> -->"
    )
    found = list(markup_lines(data))
    assert [(x.text, x.heading) for x in found] == [
        ("Medications", True), ("Aspirin 81 mg", False), ("Dose <5 mg", False), ("End", False),
    ]  # fmt: skip
    assert data[found[1].start : found[1].end] == b"Aspirin&nbsp;81&#32;mg"


def test_a_long_line_is_cut_and_lines_keep_their_places() -> None:
    (long,) = markup_lines(b"x" * (LINE_BYTES_MAX * 3))
    assert len(long.text) == LINE_BYTES_MAX
    data = "Medications:\r\n- Ümlaut 5 mg\n".encode()
    lines = list(text_lines(data))
    assert [data[x.start : x.end].decode() for x in lines] == ["Medications:", "- Ümlaut 5 mg"]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("2010", "2010"), ("201003", "2010-03"), ("20100304", "2010-03-04"),
        ("201003041530", "2010-03-04"), ("201003041530-0500", "2010-03-04T15:30:00-05:00"),
        ("20100304153012.123+0100", "2010-03-04T15:30:12+01:00"), ("", ""), ("soon", ""),
        ("٢٠١٠", ""), ("20103", ""),
    ],
)  # fmt: skip
def test_times(stamp: str, time: str) -> None:
    assert time_of(stamp) == time
