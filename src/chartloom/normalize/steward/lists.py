"""A clinician's decision about a line of a reconciled list, as a FHIR R4 ``List``.

As in IHE RECON: who (``source``), when (``date``), which list (``code``), what it is about
(``entry.item``) and what was said of them (``entry.flag``). The last one about a line holds; all of
them stay in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from chartloom.domain.decisions import CODES, CONTENT, EVIDENCE, FLAG, LINE, STATUSES, WITHDRAWN
from chartloom.domain.identity import STEWARD_FEED
from chartloom.domain.ids import make_id
from chartloom.domain.issues import Issue
from chartloom.domain.labels import BIT, SYSTEM, Label, labels_of
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.normalize.steward.said import (
    Reading,
    Said,
    author,
    author_of,
    malformed,
    patient_of,
)

#: Resources that one decision names at most.
ITEMS_MAX: Final = 200
#: What names the line goes before what only happened: events beyond the bound are not missed.
_WORDS_FIRST: Final = (
    "MedicationRequest", "MedicationStatement", "AllergyIntolerance", "Condition", "Observation",
)  # fmt: skip
_KEY_MAX: Final = 300
_KIND_OF: Final = {code: kind for kind, code in CODES.items()}


def decision(
    kind: str,
    key: str,
    said: str,
    source_patient: str,
    items: Sequence[tuple[str, str]],
    *,
    by: str,
    text: str,
    labels: int,
    said_us: int,
    contents: Mapping[str, str] | None = None,
) -> bytes:
    """The body of a message that says something about one line of a list.

    kind: ``medications``, ``allergies`` or ``problems``. key, text: of the line. said: a code of
    ``domain.decisions.STATUSES``, or ``withdrawn``. items: (type, id) of the resources behind the
    line; of more than ``ITEMS_MAX``, orders and listings are kept before events. labels: mask of
    what they are labelled with; the decision is hidden as they are. by: actor id. contents: id ->
    digest of what the resource said then (``chart.reconcile.contents_of``). Land it with
    ``arrival``.
    """
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=said_us)
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    meta: FhirJson = {"lastUpdated": stamp}
    if labels:
        meta["security"] = [
            {"system": SYSTEM[label], "code": str(label)} for label in sorted(labels_of(labels))
        ]
    flag = {"coding": [{"system": FLAG, "code": said}]}
    seen = contents or {}
    entries: list[FhirJson] = [
        {
            **({"extension": [{"url": CONTENT, "valueString": seen[id]}]} if id in seen else {}),
            "flag": flag,
            "item": {"reference": f"{type}/{id}"},
        }
        for type, id in sorted(items, key=lambda item: item[0] not in _WORDS_FIRST)[:ITEMS_MAX]
    ]
    resource: FhirJson = {
        "resourceType": "List",
        "meta": meta,
        "extension": [{"url": LINE, "valueString": key}],
        "status": "retired" if said == WITHDRAWN else "current",
        "mode": "changes",
        "title": text or key,
        "code": {"coding": [{"system": "http://loinc.org", "code": CODES[kind]}]},
        "subject": {"reference": f"Patient/{source_patient}"},
        "date": stamp,
        "source": author(by),
        "entry": entries or [{"flag": flag, "item": {"display": text or key}}],
    }
    return msgspec.json.encode(resource)


def decision_id(namespace: UUID, source_patient: str, kind: str, key: str) -> str:
    """The id of the List that holds the last decision about a line."""
    return make_id(namespace, STEWARD_FEED, "List", source_patient, kind, key)


def read_list(resource: FhirJson, at: Reading) -> Said | Issue:
    """What a List says; refused if it is not one that ``decision`` writes."""
    kind = _KIND_OF.get(_code(resource.get("code"), "http://loinc.org"), "")
    if not kind:
        return malformed("/code", "no list that is decided about")
    patient, by = patient_of(resource.get("subject")), author_of(resource.get("source"))
    if not patient:
        return malformed("/subject", "not a record by our id")
    if not by:
        return malformed("/source", "no actor")
    if "date" not in resource:
        return malformed("/date", "no time")
    key = _line(resource)
    if not key:
        return malformed("/extension", "no line")
    entries = resource.get("entry", ())
    flags = {_code(entry.get("flag"), FLAG) for entry in entries}
    said = flags.pop() if len(flags) == 1 else ""
    if said not in STATUSES[kind] and said != WITHDRAWN:
        return malformed("/entry", "not one decision")
    if resource.get("status") != ("retired" if said == WITHDRAWN else "current"):
        return malformed("/status", "not what is said")
    if not _items_fit(entries):
        return malformed("/entry", "items that do not belong in this list")
    labels = _labels(resource.get("meta", {}).get("security", ()))
    if labels is None:
        return malformed("/meta/security", "a label that there is not")
    id = decision_id(at.namespace, patient, kind, key)
    meta = {k: v for k, v in resource["meta"].items() if k == "security"}
    kept = {k: v for k, v in resource.items() if k not in ("id", "meta")}
    stated: FhirJson = {**kept, "id": id, **({"meta": meta} if meta else {})}
    made = Contribution(stated, patient, cleared=("*",), labels=labels)
    return Said(patient, contributions=(made,))


def _code(concept: Any, system: str) -> str:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    found = [c.get("code", "") for c in codings if c.get("system") == system]
    return str(found[0]) if len(found) == 1 == len(codings) else ""


def _line(resource: FhirJson) -> str:
    found = [e for e in resource.get("extension", ()) if e.get("url") == LINE]
    key = found[0].get("valueString") if len(found) == 1 else None
    return key if isinstance(key, str) and 0 < len(key) <= _KEY_MAX else ""


def _items_fit(entries: Sequence[FhirJson]) -> bool:
    if not 0 < len(entries) <= ITEMS_MAX:
        return False
    references = [entry["item"].get("reference", "") for entry in entries]
    return all(not r or r.partition("/")[0] in EVIDENCE for r in references)


def _labels(codings: Iterable[FhirJson]) -> int | None:
    found = 0
    for coding in codings:
        code = coding.get("code", "")
        if code not in BIT or coding.get("system") != SYSTEM[Label(code)]:
            return None
        found |= BIT[Label(code)]
    return found
