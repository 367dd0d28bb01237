"""Documents of strangers: clinical documents in XML, HTML and plain text, as lists and lines."""

from chartloom.formats.documents.cda import SECTIONS, Cda, SectionRead, Stated, read_cda
from chartloom.formats.documents.issues import Unread, UnreadError
from chartloom.formats.documents.lines import CELL, Line, markup_lines, text_lines
from chartloom.formats.documents.lists import LISTS, document_lists, named_in, text_lists

__all__ = [
    "CELL",
    "LISTS",
    "SECTIONS",
    "Cda",
    "Line",
    "SectionRead",
    "Stated",
    "Unread",
    "UnreadError",
    "document_lists",
    "markup_lines",
    "named_in",
    "read_cda",
    "text_lines",
    "text_lists",
]
