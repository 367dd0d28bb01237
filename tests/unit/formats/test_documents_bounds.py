"""Hostile documents take linear time; rows in doubt and texts in other charsets are read right."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from chartloom.formats.documents import document_lists, markup_lines

_TEXT = "Discharge medications:\n- Lisinopril 10 mg daily\n"


def _told(data: bytes | str, kind: str) -> dict[str, Any]:
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode()
    return document_lists({"content": [{"attachment": {"contentType": kind, "data": encoded}}]})


def _cpu_s(data: bytes, kind: str) -> float:
    begun = time.process_time()
    _told(data, kind)
    return time.process_time() - begun


def _narrative(inner: bytes) -> bytes:
    return (b'<ClinicalDocument><section><code code="10160-0"/><text>' + inner
            + b"</text></section></ClinicalDocument>")  # fmt: skip


@pytest.mark.parametrize(("kind", "small", "large"), [
    ("text/html", b"<" * 100_000, b"<" * 990_000),
    ("text/html", b"<" * 100_000 + b">", b"<" * 990_000 + b">"),
    ("text/xml", _narrative(b'<p ID="x">' * 14 + b"a " * 45_000 + b"</p>" * 14),
     _narrative(b'<p ID="x">' * 140 + b"a " * 450_000 + b"</p>" * 140)),
    ("text/xml", _narrative(b"a b c d e f g<b/>" * 5_500),
     _narrative(b"a b c d e f g<b/>" * 55_000)),
])  # fmt: skip
def test_ten_times_the_bytes_take_no_hundred_times_the_time(
    kind: str, small: bytes, large: bytes
) -> None:
    assert _cpu_s(large, kind) < 40 * max(_cpu_s(small, kind), 0.005)


def test_a_sign_is_text() -> None:
    lines = [x.text for x in markup_lines(b"<p>SBP <90 or < 5 <x:y> <b>a</b>< </p>")]
    assert lines == ["SBP <90 or < 5 <x:y> a<"]


def test_text_in_other_wrappings() -> None:
    plain = _told(_TEXT.encode(), "text/plain")
    assert plain["drugs"][0]["bytes"] == [23, 47]
    wrapped = base64.encodebytes(_TEXT.encode()).decode()
    assert _told(wrapped, "text/plain") == plain
    other = _told(_TEXT.encode("utf-16"), "text/plain; charset=utf-16")
    assert other == {"drugs": [{"text": "Lisinopril 10 mg daily", "says": "noted"}]}
    html = "<h2>Allergies</h2><ul><li>Pénicilline</li></ul>".encode("latin-1")
    (allergy,) = _told(html, 'TEXT/HTML; charset="ISO-8859-1"')["allergies"]
    assert allergy["text"] == "Pénicilline"
    assert _told(_TEXT.encode(), "text/plain; charset=klingon") == {"unread": "charset-unknown"}
    assert _told("%%%", "text/html") == {"unread": "not-base64"}


def _row(*cells: str) -> bytes:
    return ("<table><tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr></table>").encode()


@pytest.mark.parametrize("cell", ["Ruled out", "Family history", "Inactive", "Possible"])
def test_doubt_in_another_cell_leaves_a_problem_out(cell: str) -> None:
    assert _told(b"<h2>Problems</h2>" + _row("Hypertension", cell), "text/html") == {}


@pytest.mark.parametrize("cell", ["On hold", "Held", "if echo is normal"])
def test_doubt_in_another_cell_makes_a_mention(cell: str) -> None:
    told = _told(b"<h2>Medications</h2>" + _row("Warfarin 5 mg", cell), "text/html")
    assert told == {"mentions": ["Warfarin 5 mg"]}


@pytest.mark.parametrize("cell", ["No", "none", "N/A", "no refills", "hold if SBP < 90", "Active"])
def test_other_cells_make_no_row_unsure(cell: str) -> None:
    told = _told(b"<h2>Medications</h2>" + _row("Warfarin 5 mg", cell), "text/html")
    assert [x["text"] for x in told["drugs"]] == ["Warfarin 5 mg"]
