"""What a patient withholds by class, and how to see whether any of it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from tests.support.asking import asking
from tests.support.site import Site

from chartloom.domain.grant import Purpose
from chartloom.domain.resource import ResourceState
from chartloom.domain.withholding import Withholding
from chartloom.guard.consent import consent_facts
from chartloom.guard.withholding import withholds

_CANARY = re.compile(r"QZ[NS]\d{3}")


def said(
    provision: Any, patients: Sequence[str], now_us: int, rule: str = "", who: str = "me"
) -> tuple[Withholding, ...]:
    """What a Consent with this root provision withholds by class from ``who``."""
    consent = {"status": "active", "provision": provision}
    if rule:
        consent["policyRule"] = {"coding": [{"code": rule}]}
    facts = consent_facts([consent], asking(who), Purpose.TREATMENT, now_us, patients)
    return facts.withheld


def chart(site: Site, patients: Sequence[str]) -> dict[str, ResourceState]:
    """All states of some source patients, those without a section too."""
    with site.store.entered(site.grant()) as conn:
        rows = conn.execute(
            "SELECT id FROM resource WHERE source_patient = ANY(%s)", (list(patients),)
        ).fetchall()
    return dict(site.store.states(site.grant(), [row[0] for row in rows]))


class Split:
    """A chart in what is withheld and what is left. secrets: texts that stand in nothing else."""

    def __init__(self, states: dict[str, ResourceState], rules: Sequence[Withholding]) -> None:
        self.gone = {
            id
            for id, s in states.items()
            if withholds(rules, s.source_patient, s.resource, s.labels)
        }
        self.left = states.keys() - self.gone
        open_ = "\n".join(w for id in self.left for w in texts(states[id].resource))
        hidden = {w for id in self.gone for w in texts(states[id].resource) if w not in open_}
        whose = {s.source_patient for s in states.values()}  # the chart is known to be there
        self.secrets = {w.encode() for w in hidden | (self.gone - whose)}

    def shown_in(self, answer: Any) -> list[bytes]:
        """Secrets in an answer."""
        raw = answer if isinstance(answer, bytes) else plain(answer)
        return sorted(secret for secret in self.secrets if secret in raw)


def plain(answer: Any) -> bytes:
    """Anything, as text."""
    return msgspec.json.encode(msgspec.to_builtins(answer, str_keys=True, enc_hook=list))


def texts(value: Any) -> Iterator[str]:
    """Texts that stand in one chart only; references only name other things."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key not in ("id", "meta", "reference"):
                yield from texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts(child)
    elif isinstance(value, str) and _CANARY.search(value):
        yield value


def bundle(provision: Any, mrn: str, authority: str, family: str, rule: str = "") -> bytes:
    """A Consent of one patient with this root provision, as a FHIR feed sends it; always the same
    Consent, so that the last one counts."""
    url = "urn:uuid:33333333-3333-4333-8333-333333333333"
    kind = {"coding": [{"code": "MR", "system": "http://terminology.hl7.org/CodeSystem/v2-0203"}]}
    number = {"system": f"urn:id:{authority}", "value": mrn, "type": kind}
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    scope = "http://terminology.hl7.org/CodeSystem/consentscope"
    consent = {
        "resourceType": "Consent", "id": "by-class", "status": "active",
        "scope": {"coding": [{"system": scope, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": url},
        "policyRule": {"coding": [{"system": act, "code": rule or "OPTIN"}]},
        "provision": provision,
    }  # fmt: skip
    who = {"resourceType": "Patient", "identifier": [number], "name": [{"family": family}]}
    entries = [{"fullUrl": url, "resource": who}, {"resource": consent}]
    made = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return msgspec.json.encode(made)
