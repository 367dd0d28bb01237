"""DocumentReference: the text of OBX as attachments, and what a document replaces."""

from __future__ import annotations

import base64

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.observation import ed_attachment, rp_attachment
from chartloom.normalize.registry import finisher, segment_function

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
#: Where lines wait until the document is finished; no FHIR element begins like this.
_LINES = "(lines)"


@segment_function("OBX.document")
def obx_document(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-5 -> one more line of text, or an attachment (ED, RP)."""
    text = f[5]
    if text == '""':
        return
    kind = m.part(f[2], 1).upper()
    for rep in text.split(m.env.rep):
        if kind in ("ED", "RP"):
            attachment = ed_attachment(rep, m) if kind == "ED" else rp_attachment(rep, m)
            if attachment:
                out.setdefault("content", []).append({"attachment": attachment})
        else:
            out.setdefault(_LINES, []).append(_line(rep, kind, m))
    if m.bad:
        m.flush(seg, 5)


def _line(text: str, kind: str, m: Msg) -> str:
    if kind in ("TX", "FT", "ST", ""):
        return m.leaf(text)
    words = [m.leaf(p.replace(m.env.sub, " ")) for p in text.split(m.env.comp)]
    return " ".join(w for w in words if w)


@segment_function("OBX.attachmentTitle")
def obx_attachment_title(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-3 -> the title of what OBX-5 gave, if it has none."""
    c = [m.leaf(p) for p in f[3].split(m.env.comp)] + ["", ""]
    title = c[1] or c[0]
    if title and m.part(f[2], 1).upper() in ("ED", "RP") and out.get("content"):
        out["content"][-1]["attachment"].setdefault("title", title)
    elif title:
        out.setdefault("(title)", title)


@segment_function("TXA.replaces")
def txa_replaces(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """TXA-13 -> relatesTo: an addendum (T05, T06) appends, a replacement (T09, T10) replaces."""
    found = at.id_of("parent")
    if found is None:
        return
    code = "appends" if m.event in ("T05", "T06") else "replaces"
    target = {"reference": f"{found[0]}/{found[1]}"}
    out.setdefault("relatesTo", []).append({"code": code, "target": target})


@finisher("document")
def finish_document(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """All lines become one attachment; a notification without text says that there is none."""
    lines = out.pop(_LINES, [])
    title = out.pop("(title)", "")
    text = "\n".join(lines).strip("\n")
    if text.strip():
        attachment = {
            "contentType": "text/plain; charset=utf-8",
            "data": base64.b64encode(text.encode("utf-8", "replace")).decode("ascii"),
        }
        if title:
            attachment["title"] = title
        out.setdefault("content", []).insert(0, {"attachment": attachment})
    if not out.get("content"):
        reason = {"url": _ABSENT, "valueCode": "unknown"}
        out["content"] = [{"attachment": {"extension": [reason]}}]
        weak.append("content")


__all__ = ["finish_document"]
