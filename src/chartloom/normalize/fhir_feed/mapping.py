"""The mapping ``fhir``: FHIR R4 JSON in, the same resources under our ids and references out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.ids import make_id
from chartloom.domain.issues import Issue
from chartloom.domain.message import Message
from chartloom.domain.resource import (
    Contribution,
    Derived,
    FhirJson,
    LinkEvent,
    LinkKind,
    LossCounts,
    LossReport,
    PatientIdentifier,
    Traced,
)
from chartloom.formats.fhir import decode_json, moment
from chartloom.normalize import marking
from chartloom.normalize.about import issues_of_documents
from chartloom.normalize.code_version import fingerprint
from chartloom.normalize.fhir_feed import loss
from chartloom.normalize.fhir_feed.plan import Plan, make_plan
from chartloom.normalize.fhir_feed.types import FILE, read_types, shipped
from chartloom.normalize.fhir_feed.unread import unread
from chartloom.normalize.keeping_apart import (
    Kept,
    inherit,
    labels_of_medicines,
    relisted,
    separate,
)
from chartloom.normalize.marking import files_of
from chartloom.normalize.sensitivity import Labeller, builtin

_DAY_US: Final = 86_400_000_000


_shipped = cache(shipped)


def load_fhir_mapping(
    overlays: Mapping[str, bytes], labeller: Labeller | None = None
) -> FhirMapping:
    """The mapping; an overlay ``types.csv`` replaces ours. Raises ``ConfigurationError``."""
    for path in overlays:
        if path not in (FILE, "README.md"):
            raise ConfigurationError(
                "The mapping fhir reads no such file.",
                where=path,
                cure=f"Only {FILE} can be given.",
            )
    return FhirMapping(overlays, labeller)


class FhirMapping:
    """Reads one FHIR resource or one Bundle per message. ``files``: what decides where types go."""

    name = "fhir"

    def __init__(
        self, overlays: Mapping[str, bytes] | None = None, labeller: Labeller | None = None
    ) -> None:
        self.labeller = labeller or builtin()
        self.files: dict[str, bytes] = {FILE: _shipped()}
        if overlays and FILE in overlays:
            self.files[f"overlay/{FILE}"] = overlays[FILE]
        self._types = read_types(list(self.files.values())[-1])
        self.files.update(files_of(self.labeller))
        self.fingerprint = fingerprint(self.files)

    def clear(self) -> None:
        """Forgets what the labeller remembers of resources; nothing else is remembered here."""
        self.labeller.forget()

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What the message says; pure, and never raises on any bytes."""
        return self._derive(message, feed, namespace)[0]

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same, with the evidence for every value and the fate of every input leaf."""
        derived, plan, kept = self._derive(message, feed, namespace)
        if plan is None:
            return Traced(derived, (), LossReport(()))
        rows = loss.report(message.body, plan)
        copied = relisted(tuple(loss.evidence(rows, plan)), kept)
        why = marking.evidence(derived.contributions, copied, self.labeller)
        return Traced(derived, (*copied, *why), rows)

    def _derive(
        self, message: Message, feed: Feed, namespace: UUID
    ) -> tuple[Derived, Plan | None, Kept]:
        value, issues = decode_json(message.body, size_bytes_max=feed.limits.message_size_bytes_max)
        if value is None:
            issues = issues or [Issue("fhir-not-a-resource")]
            return self._nothing(message, issues, issues[-1].code), None, {}
        plan = make_plan(value, message, feed, namespace, self._types)
        issues.extend(plan.issues)
        if plan.quarantine:
            derived = self._nothing(message, issues, plan.quarantine, loss.count(value, plan))
            return derived, plan, {}
        event_us, late = stated_us(value, message)
        issues.extend(late)
        contributions, kept = self._marked(plan.contributions, feed)
        issues.extend(issues_of_documents(contributions))
        patients = {c.source_patient for c in contributions if c.source_patient}
        derived = Derived(
            position=message.position,
            feed=message.feed,
            message_type=str(value["resourceType"]),
            control_id=message.control_id,
            event_us=event_us,
            source_patient=patients.pop() if len(patients) == 1 else "",
            contributions=contributions,
            links=tuple(_links(contributions)),
            identifiers=tuple(_identifiers(contributions)),
            issues=tuple(issues),
            loss=loss.count(value, plan),
            unmapped=_unmapped(plan),
            provenance=_provenance(contributions, message, feed, namespace, event_us),
            unread=unread(value, plan, self.labeller, sensitive=feed.sensitive),
        )
        return derived, plan, kept

    def _marked(
        self, said: tuple[Contribution, ...], feed: Feed
    ) -> tuple[tuple[Contribution, ...], Kept]:
        """With their sensitivity labels; and which listed diagnoses stayed."""
        found = []
        for one in said:
            if not one.directory:
                resource, labels = marking.marked(one.resource, self.labeller, feed)
                if labels:
                    one = msgspec.structs.replace(one, resource=resource, labels=labels)
            found.append(one)
        inherit(found, labels_of_medicines(found, self.labeller))
        marking.spread(found)
        kept = separate(found)
        return tuple(found), kept

    def _nothing(
        self, message: Message, issues: list[Issue], code: str, counts: LossCounts | None = None
    ) -> Derived:
        return Derived(
            position=message.position,
            feed=message.feed,
            message_type=message.message_type,
            control_id=message.control_id,
            event_us=message.received_at_us,
            source_patient="",
            issues=tuple(issues),
            loss=counts or LossCounts(),
            quarantine=code,
        )


def _unmapped(plan: Plan) -> tuple[str, ...]:
    return tuple(o.entry.pointer or "/" for o in plan.outcomes if o.disposition == "unmapped")


def stated_us(value: FhirJson, message: Message) -> tuple[int, list[Issue]]:
    """Bundle.timestamp, else the newest meta.lastUpdated, else the receipt.

    A time more than a day ahead of the receipt would outrank every later correction, so it is not
    used.
    """
    said = [_micros(value["timestamp"])] if "timestamp" in value else []
    if not any(said):
        said = [_micros(u) for u in _updates(value)]
    event_us = max(said, default=0) or message.received_at_us
    if event_us > message.received_at_us + _DAY_US:
        return message.received_at_us, [Issue("fhir-time-ahead")]
    return event_us, []


def _updates(value: FhirJson) -> Iterator[Any]:
    entries = value.get("entry")
    inner = (
        [e.get("resource") for e in entries if isinstance(e, dict)]
        if isinstance(entries, list)
        else []
    )
    for resource in (value, *inner):
        meta = resource.get("meta") if isinstance(resource, dict) else None
        if isinstance(meta, dict) and "lastUpdated" in meta:
            yield meta["lastUpdated"]


def _micros(text: Any) -> int:
    at = moment(text) if isinstance(text, str) else None
    if at is None or at.tzinfo is None:
        return 0
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds)


def _links(contributions: tuple[Contribution, ...]) -> Iterator[LinkEvent]:
    """``Patient.link`` as link events."""
    for contribution in contributions:
        if contribution.type != "Patient":
            continue
        for link in contribution.resource.get("link", ()):
            reference = link["other"].get("reference", "")
            if not reference.startswith("Patient/"):
                continue
            this, other = contribution.id, reference.removeprefix("Patient/")
            rule = f"Patient.link.{link['type']}"
            if link["type"] == "replaced-by":
                yield LinkEvent(LinkKind.MERGE, other, this, rule)
            elif link["type"] == "replaces":
                yield LinkEvent(LinkKind.MERGE, this, other, rule)
            else:
                yield LinkEvent(LinkKind.LINK, this, other, rule)


def _identifiers(contributions: tuple[Contribution, ...]) -> Iterator[PatientIdentifier]:
    """By what a patient can be looked up."""
    for contribution in contributions:
        if contribution.type != "Patient":
            continue
        patient, resource = contribution.source_patient, contribution.resource
        for identifier in resource.get("identifier", ()):
            if identifier.get("value"):
                codings = identifier.get("type", {}).get("coding", ({},))
                system = f"{codings[0].get('code', '')}|{identifier.get('system', '')}"
                yield PatientIdentifier(patient, "identifier", system, identifier["value"])
        for name in resource.get("name", ()):
            if name.get("family"):
                yield PatientIdentifier(patient, "family", "", name["family"].casefold())
            for given in name.get("given", ()):
                if given:
                    yield PatientIdentifier(patient, "given", "", given.casefold())
        if resource.get("birthDate"):
            yield PatientIdentifier(patient, "birthdate", "", resource["birthDate"])


def _provenance(
    derived: tuple[Contribution, ...], message: Message, feed: Feed, namespace: UUID, event_us: int
) -> FhirJson | None:
    """The FHIR Provenance of the message: what it changed, from which bytes, by which feed."""
    targets = [c for c in derived if not c.directory] or list(derived)
    if not targets:
        return None
    digest = message.sha256.hex()
    source = {"identifier": {"value": f"urn:sha256:{digest}"}}
    return {
        "resourceType": "Provenance",
        "id": make_id(namespace, feed.patient_namespace, "Provenance", digest),
        "target": [{"reference": f"{c.type}/{c.id}"} for c in targets],
        "occurredDateTime": _instant(event_us),
        "recorded": _instant(message.received_at_us),
        "agent": [{"who": {"display": feed.owner or feed.name}}],
        "entity": [{"role": "source", "what": source}],
    }


def _instant(us: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
