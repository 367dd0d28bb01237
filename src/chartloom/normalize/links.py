"""What a message says about records as a whole: who is one person, and which visit moved."""

from __future__ import annotations

from collections.abc import Iterable

from chartloom.domain.resource import LinkEvent, LinkKind
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.patient import prior_patient


def links_of(kind: str, instances: Iterable[Instance], m: Msg) -> list[LinkEvent]:
    """The link events of a message definition with ``links = "<kind>"``.

    ``merge``: PID is the surviving record, each MRG behind it a prior one. ``link``, ``unlink``
    (A24, A37): the record of the first PID is, or is not, the same person as that of each other.
    """
    records = [i for i in instances if i.patient and "PID" in i.segments]
    if kind == LinkKind.MERGE:
        return [event for record in records for event in _merged(record, m)]
    found = [
        LinkEvent(LinkKind(kind), records[0].patient, other.patient, "PID-3")
        for other in records[1:]
        if other.patient != records[0].patient
    ]
    if not found:
        m.issue("link-incomplete", records[0].segments["PID"][0] if records else None, 3)
    return found


def _merged(record: Instance, m: Msg) -> list[LinkEvent]:
    found = []
    for merged in record.segments.get("MRG", ()):
        prior = prior_patient(merged, m)
        if not prior:
            m.issue("merge-incomplete", merged, 1)
        elif prior != record.patient:
            found.append(LinkEvent(LinkKind.MERGE, record.patient, prior, "MRG-1"))
    return found


def mark_moved(group: str, instances: Iterable[Instance], m: Msg) -> None:
    """Gives the instances of the group in which MRG stands to the record that had the visit.

    What is said there is said about the visit as it was known before: it is no visit of that
    record, or of that number, any more. An instance whose visit did not move belongs to nobody.
    """
    for instance in instances:
        if instance.group == group:
            instance.patient = _had_visit(instance, m)


def _had_visit(instance: Instance, m: Msg) -> str:
    for seg in instance.segments.get("MRG", ()):
        number = seg.value(5)
        now = [v.value(19) for below in instance.children for v in below.segments.get("PV1", ())]
        if not number:
            return ""
        if not any(now):
            m.issue("visit-move-incomplete", seg, 5)
            return ""
        prior = prior_patient(seg, m) or instance.patient
        return "" if prior == instance.patient and now[0] == number else prior
    return ""
