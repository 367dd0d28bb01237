"""Whatever bytes a document has, reading it ends, stays within them and raises nothing else."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clinical_documents import allergy, cda, drug, problem, section
from tests.support.document_invariants import check_document

from chartloom.formats.documents.lists import LINES_MAX, document_lists

_WHOLE = cda(
    section("medications", drug("Lisinopril 10 mg", code="314076"), text="<list>x</list>"),
    section("allergies", allergy("Penicillin")),
    section("problems", problem("Asthma", "195967001"), text="<paragraph>y</paragraph>"),
    section("10183-2", text="<table><tr><td>Warfarin 5 mg</td><td>Stopped</td></tr></table>"),
)
_PIECES = (
    b"<section>", b"</section>", b"<", b">", b"&lt;", b"&x;", b"<!--", b"-->", b"<![CDATA[", b"]]>",
    b'<code code="10160-0"/>', b"<entry>", b"<td>", b"<h1>", b"Medications:\n",
    b"- Warfarin 5 mg\n", b"\x00", b"\xff", "ü".encode(), b"<!DOCTYPE a>",
    b"<?xml", b'"', b"Allergies:\n",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A clinical document with pieces put in, taken out and repeated."""
    data = _WHOLE
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 40)))
        data = data[:at] + draw(st.sampled_from(_PIECES)) * draw(st.integers(0, 3)) + data[to:]
    return data


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(damaged(), st.binary(max_size=300), st.lists(st.sampled_from(_PIECES)).map(b"".join))
)
def test_any_bytes(data: bytes) -> None:
    check_document(data)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(damaged(), st.binary(max_size=200)),
    st.sampled_from(("text/xml", "text/html", "text/plain", "application/hl7-cda+xml", "")),
)
def test_lists_of_any_attachment_lead_to_its_bytes(data: bytes, kind: str) -> None:
    attachment = {"contentType": kind, "data": base64.b64encode(data).decode()}
    found = document_lists({"content": [{"attachment": attachment}]})
    for name in ("drugs", "allergies", "problems"):
        lines = found.get(name, [])
        assert len(lines) <= LINES_MAX
        for line in lines:
            start, end = line["bytes"]
            assert 0 <= start < end <= len(data)
            assert line["text"]
