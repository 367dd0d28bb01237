"""Text datatypes: ST, TX, FT and friends. Nothing of the text is lost."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import Prim, Sink
from chartloom.normalize.registry import datatype

_FIRST = {"1": ""}


@datatype("ST.string")
def st_string(x: str, s: Sink) -> str | None:
    """ST, IS, ID, FT, TX -> string: the whole text, unescaped delimiters in it included."""
    return s.leaf(x) or None


@datatype("ST.code", _FIRST, memo=True)
def st_code(x: str, s: Sink) -> str | None:
    """The first component as a code (no blanks)."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    return "-".join(text.split()) or None


@datatype("ST.markdown")
def st_markdown(x: str, s: Sink) -> str | None:
    """Text -> markdown."""
    return s.leaf(x) or None


@datatype("ST.constant", param=True)
def st_constant(x: str, s: Sink, param: str) -> str | None:
    """The parameter, if there is any text."""
    return param if s.leaf(x) else None


@datatype("ID.boolean", _FIRST, memo=True, primitive=True)
def id_boolean(x: str, s: Sink) -> bool | Prim | None:
    """Y/N (HL7 table 0136) -> boolean."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    if not text:
        return None
    if text.upper() in ("Y", "YES", "1", "TRUE", "T"):
        return True
    if text.upper() in ("N", "NO", "0", "FALSE", "F"):
        return False
    s.complain("code-unmapped", "HL70136")
    return Prim(None, {"url": _ORIGINAL, "valueString": text})


_ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"


@datatype("CWE.string", {"1": "", "2": "", "9": ""}, {"3": "coding system of a code used as text"})
def cwe_string(x: str, s: Sink) -> str | None:
    """CWE, CE -> string: original text, else text, else code."""
    c = [s.leaf(p) for p in x.split(s.env.comp)]
    return (c[8] if len(c) > 8 else "") or (c[1] if len(c) > 1 else "") or c[0] or None


@datatype("FT.Annotation", whole=True)
def ft_annotation(x: str, s: Sink) -> FhirJson | None:
    """NTE-3 and other comments -> Annotation; repetitions are lines."""
    lines = [s.leaf(r) for r in x.split(s.env.rep)]
    text = "\n".join(lines).strip("\n")
    return {"text": text} if text.strip() else None


@datatype("ST.lines", whole=True)
def st_lines(x: str, s: Sink) -> str | None:
    """All repetitions as lines of one text."""
    text = "\n".join(s.leaf(r) for r in x.split(s.env.rep)).strip("\n")
    return text if text.strip() else None
