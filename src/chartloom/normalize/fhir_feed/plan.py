"""What becomes of each entry of a FHIR message: the plan that ``derive`` and ``trace`` share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.issues import CATALOGUE, Issue, Severity
from chartloom.domain.message import Message
from chartloom.domain.resource import Contribution, Disposition, FhirJson
from chartloom.formats.fhir import is_resource_type, validate
from chartloom.formats.fhir.consents import doubts_of, wide_of
from chartloom.normalize.fhir_feed import issues as _codes
from chartloom.normalize.fhir_feed.compartment import (
    patients_of,
    place_all,
    references_at,
)
from chartloom.normalize.fhir_feed.entries import BROKEN, Entry, read_entries
from chartloom.normalize.fhir_feed.identity import Names, Rewriter
from chartloom.normalize.fhir_feed.types import TypeRow

assert _codes  # importing it registers the codes

#: The sender's own name of a resource (``Patient/123`` or its URN), kept on every resource.
SOURCE_ID: Final = "urn:chartloom:source-id"
#: The contribution is the whole resource: what it does not have is gone (see ``chart.merge``).
WHOLE: Final = "*"
_OURS: Final = ("versionId", "lastUpdated")


@dataclass(slots=True)
class Outcome:
    """One entry: the contribution it yields, or why it yields none."""

    entry: Entry
    id: str = ""
    disposition: Disposition = Disposition.UNMAPPED
    reason: str = ""  #: for ignored entries
    contribution: Contribution | None = None
    row: TypeRow | None = None
    draft: FhirJson = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """Everything a message yields, entry by entry. envelope: the issues of what is around them."""

    is_bundle: bool
    outcomes: list[Outcome]
    issues: list[Issue]
    quarantine: str = ""
    envelope: tuple[Issue, ...] = ()

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """In the order of the entries."""
        return tuple(o.contribution for o in self.outcomes if o.contribution is not None)


def make_plan(
    value: Any, message: Message, feed: Feed, namespace: UUID, types: dict[str, TypeRow]
) -> Plan:
    """The plan for a decoded message."""
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if not is_resource_type(kind):
        code = "fhir-not-a-resource" if kind is None else "fhir-unknown-type"
        return Plan(False, [], [Issue(code)], code)
    entries, issues = read_entries(value)
    if len(entries) > feed.limits.resources_max:
        return Plan(False, [], [*issues, Issue("too-many-resources")], "too-many-resources")
    is_bundle = kind == "Bundle"
    if is_bundle:
        issues.extend(validate(value, entries=False))
    names = Names(
        namespace,
        feed.patient_namespace,
        message.sha256,
        types,
        str(feed.options.get("base_url", "")),
    )
    ids = names.add(entries)
    outcomes = [Outcome(e, ids.get(e.index, "")) for e in entries]
    plan = Plan(is_bundle, outcomes, issues, envelope=tuple(issues))
    _Planner(plan, names, types, message).run()
    return plan


def is_error(issue: Issue) -> bool:
    """Whether the issue makes a resource unusable."""
    return CATALOGUE[issue.code].severity in (Severity.ERROR, Severity.FATAL)


class _Planner:
    def __init__(
        self, plan: Plan, names: Names, types: dict[str, TypeRow], message: Message
    ) -> None:
        self.plan, self.names, self.types = plan, names, types
        self.look_for_modifiers = b"modifierExtension" in message.body
        self.owners: dict[str, str] = {}

    def run(self) -> None:
        drafts = [o for o in self.plan.outcomes if self._draft(o)]
        drafts = self._without_repetitions(drafts)
        left = place_all(
            len(drafts), lambda n: self._place(drafts[n]), lambda n: self._awaits(drafts[n])
        )
        for number in left:
            self._unplaced(drafts[number])
        self._judge()

    def _issue(self, code: str, pointer: str, detail: str = "") -> None:
        self.plan.issues.append(Issue(code, pointer, detail))

    # --- reading --------------------------------------------------------------------------------

    def _draft(self, outcome: Outcome) -> bool:
        """Copies a resource under its new id and references; False if it is not to be used."""
        entry = outcome.entry
        resource = entry.resource
        if entry.method in ("DELETE", "PATCH", "GET", "HEAD") or resource is None:
            self._without_resource(outcome)
            return outcome.contribution is not None
        found = validate(resource)
        if found:
            at = entry.pointer
            self.plan.issues.extend(Issue(i.code, at + i.location, i.detail) for i in found)
            if any(map(is_error, found)):
                self._issue("fhir-entry-rejected", entry.pointer)
                return False
        row = outcome.row = self.types.get(resource["resourceType"])
        if row is None:
            self._issue("fhir-type-not-kept", entry.pointer, resource["resourceType"])
            return False
        if row.kind == "ignored":
            outcome.disposition, outcome.reason = Disposition.IGNORED, row.reason
            return False
        outcome.draft = self._copy(outcome, resource)
        if self.look_for_modifiers and _has_modifier(resource):
            self._issue("fhir-modifier-extension", entry.pointer)
        if resource["resourceType"] == "Consent":
            for pointer in doubts_of(outcome.draft):
                self._issue("consent-not-understood", entry.pointer + pointer)
            for pointer in wide_of(outcome.draft):
                self._issue("consent-code-wide", entry.pointer + pointer)
        return True

    def _copy(self, outcome: Outcome, resource: FhirJson) -> FhirJson:
        rewriter = Rewriter(self.names)
        draft: FhirJson = {"resourceType": resource["resourceType"], "id": outcome.id}
        draft.update(
            (k, rewriter.copy(v, f"/{k}", k)) for k, v in resource.items() if k not in draft
        )
        for code, pointer in rewriter.kept:
            self._issue(code, outcome.entry.pointer + pointer)
        meta = {k: v for k, v in draft.pop("meta", {}).items() if k not in _OURS}
        if meta:
            draft["meta"] = meta
        name = _source_name(outcome.entry, resource)
        if name:
            kept = {"url": SOURCE_ID, "valueString": name}
            draft["extension"] = [*draft.get("extension", ()), kept]
        return draft

    def _without_resource(self, outcome: Outcome) -> None:
        """Entries that ask, patch or delete."""
        entry = outcome.entry
        if entry.method in ("GET", "HEAD"):
            outcome.disposition = Disposition.IGNORED
            outcome.reason = "asks for something and states nothing"
        elif entry.method == "DELETE" and entry.url_type == "Patient" and outcome.id:
            gone = {"resourceType": "Patient", "id": outcome.id, "active": False}
            outcome.disposition = Disposition.MAPPED
            outcome.contribution = Contribution(gone, outcome.id)
        elif entry.method == "DELETE":
            self._issue("fhir-delete-not-applied", f"{entry.at}/request", entry.url_type)
        elif entry.method == "PATCH":
            self._issue("fhir-patch-not-applied", f"{entry.at}/request", entry.url_type)
        elif entry.method != BROKEN:
            outcome.disposition = Disposition.IGNORED
            outcome.reason = "an entry without a resource states nothing"

    def _without_repetitions(self, drafts: list[Outcome]) -> list[Outcome]:
        """The newest of each resource (history bundles, repeated entries)."""
        newest: dict[str, Outcome] = {}
        for outcome in drafts:
            other = newest.get(outcome.id)
            if other is None:
                newest[outcome.id] = outcome
                continue
            older = other if _updated(other.entry) <= _updated(outcome.entry) else outcome
            newest[outcome.id] = outcome if older is other else other
            self._issue("fhir-resource-repeated", older.entry.pointer)
            older.disposition, older.contribution = Disposition.IGNORED, None
            older.reason = "an older version of a resource that the message states again"
        return [o for o in drafts if newest[o.id] is o]

    # --- placing --------------------------------------------------------------------------------

    def _awaits(self, outcome: Outcome) -> Iterator[str]:
        assert outcome.row is not None
        return references_at(outcome.draft, outcome.row)

    def _place(self, outcome: Outcome) -> str | None:
        """Finds whose chart it is in. The name by which others are placed through it, "" if none
        are; None if it is not known (yet)."""
        if outcome.contribution is not None:  # a deletion, already placed
            return ""
        row, draft = outcome.row, outcome.draft
        assert row is not None
        if row.kind == "directory":
            self._contribute(outcome, "", directory=True)
            return ""
        patients = patients_of(draft, row, self.names, self.owners)
        if not patients:
            return None
        if len(patients) > 1:
            self._issue("fhir-several-patients", outcome.entry.pointer)
        name = f"{draft['resourceType']}/{draft['id']}"
        self.owners[name] = patients[0]
        self._contribute(outcome, patients[0], directory=False)
        return name

    def _unplaced(self, outcome: Outcome) -> None:
        row = outcome.row
        if row is not None and row.kind == "either":
            # Merged like a patient's: another message may name the patient of the same thing.
            self._contribute(outcome, "", directory=False)
        else:
            self._issue("fhir-patient-unknown", outcome.entry.pointer)

    def _contribute(self, outcome: Outcome, patient: str, *, directory: bool) -> None:
        outcome.disposition = Disposition.MAPPED
        cleared = () if directory else (WHOLE,)
        outcome.contribution = Contribution(
            outcome.draft, patient, directory=directory, cleared=cleared
        )

    def _judge(self) -> None:
        """A message of which nothing could be used goes to quarantine."""
        plan = self.plan
        if plan.contributions:
            return
        wrong = any(o.disposition is Disposition.UNMAPPED for o in plan.outcomes)
        if wrong or any(map(is_error, plan.issues)):
            plan.issues.append(Issue("fhir-nothing-usable"))
            plan.quarantine = "fhir-nothing-usable"


def _source_name(entry: Entry, resource: FhirJson) -> str:
    if entry.url_id:
        return f"{entry.url_type}/{entry.url_id}"
    if "id" in resource and entry.method != "POST":
        return f"{resource['resourceType']}/{resource['id']}"
    return entry.full_url


def _updated(entry: Entry) -> str:
    meta = (entry.resource or {}).get("meta", {})
    return str(meta.get("lastUpdated", "")) if isinstance(meta, dict) else ""


def _has_modifier(value: Any) -> bool:
    if type(value) is dict:
        return "modifierExtension" in value or any(map(_has_modifier, value.values()))
    return type(value) is list and any(map(_has_modifier, value))
