"""What holds of every document, whatever its bytes."""

from __future__ import annotations

from chartloom.formats.documents import UnreadError, markup_lines, read_cda, text_lines
from chartloom.formats.documents.lines import LINE_BYTES_MAX


def check_document(data: bytes) -> None:
    """Reads bytes in every way; what is read lies within them and follows each other."""
    for read in (text_lines, markup_lines):
        at = 0
        for line in read(data):
            assert at <= line.start <= line.end <= len(data)
            assert len(line.text) <= 2 * LINE_BYTES_MAX
            at = line.end
    try:
        found = read_cda(data)
    except UnreadError:
        return
    for section in found.sections if found is not None else ():
        for entry in section.entries:
            assert 0 <= entry.first_byte < entry.end_byte <= len(data)
            assert data[entry.first_byte : entry.first_byte + 1] == b"<"
            assert entry.text or entry.codes
        assert not (section.entries and section.lines)
