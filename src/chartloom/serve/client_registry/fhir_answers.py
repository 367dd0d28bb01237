"""Bundles, Parameters and OperationOutcomes of the FHIR door. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from chartloom.domain import codec
from chartloom.domain.resource import FhirJson
from chartloom.serve.client_registry import people
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.people import Known, Number
from chartloom.serve.client_registry.registry import Declined, Match

FHIR_JSON: Final = "application/fhir+json"
_GRADE: Final = "http://hl7.org/fhir/StructureDefinition/match-grade"
#: Our code -> HTTP status, FHIR issue type.
_CODES: Final = {
    "unknown-key": (404, "not-found"),
    "duplicate-key": (400, "multiple-matches"),
    "unknown-domain": (400, "code-invalid"),
    "unknown-target": (403, "code-invalid"),
    "too-costly": (400, "too-costly"),
    "not-supported": (400, "not-supported"),
    "code-invalid": (400, "code-invalid"),
    "too-long": (400, "too-long"),
    "required": (400, "required"),
    "invalid": (400, "invalid"),
    "structure": (400, "structure"),
    "expired": (410, "expired"),
}
#: Status -> issue type, where nothing is known but that.
_STATUS: Final = {
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported",
    413: "too-long", 415: "not-supported", 429: "throttled", 503: "transient",
}  # fmt: skip


def fhir(body: FhirJson, status: int = 200) -> Response:
    """A FHIR resource as an answer."""
    return Response(codec.encode(body), status, media_type=FHIR_JSON)


def outcome(status: int, text: str, code: str = "", where: str = "") -> Response:
    """An OperationOutcome with one issue. code: its type, if it is not the status's. where: a
    parameter."""
    issue: FhirJson = {"severity": "error", "code": code or _STATUS.get(status, "exception")}
    issue |= {"details": {"text": text}, "diagnostics": text}
    if where:
        issue["expression"] = [where]
    answer = fhir({"resourceType": "OperationOutcome", "issue": [issue]}, status)
    if status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def declined(error: Declined) -> Response:
    """A question that is not answered."""
    status, code = _CODES[error.code]
    return outcome(status, error.what, code, error.where)


def searchset(
    persons: Sequence[Known],
    domains: Domains,
    base: str,
    links: Sequence[tuple[str, str]],
    targets: Sequence[Domain] = (),
    total: int | None = None,
) -> FhirJson:
    """Persons found. links: relation, address."""
    entries = [
        {
            "fullUrl": f"{base}/Patient/{person.person_id}",
            "resource": people.resource(person, domains, targets),
            "search": {"mode": "match"},
        }
        for person in persons
    ]
    return _bundle(entries, links, total)


def matches(found: Sequence[Match], domains: Domains, base: str, certain_bits: float) -> FhirJson:
    """Persons that match, with how surely. certain_bits: the weight of whom we call certain."""
    entries = [
        {
            "fullUrl": f"{base}/Patient/{match.person.person_id}",
            "resource": people.resource(match.person, domains),
            "search": {
                "extension": [{"url": _GRADE, "valueCode": grade(match)}],
                "mode": "match",
                "score": score(match, certain_bits),
            },
        }
        for match in found
    ]
    return _bundle(entries, (), len(entries))


def grade(match: Match) -> str:
    """Of http://hl7.org/fhir/match-grade: certain only for whom we would link by ourselves."""
    if match.outcome == "link":
        return "certain"
    return "probable" if match.outcome == "review" else "possible"


def score(match: Match, certain_bits: float) -> float:
    """From 0 to 1: bits of weight as the share of those that make sure; in the grade's range."""
    low, high = {"certain": (0.95, 1.0), "probable": (0.5, 0.94), "possible": (0.01, 0.49)}[
        grade(match)
    ]
    share = match.weight / certain_bits if certain_bits > 0 else 0.0
    return round(min(high, max(low, share)), 3)


def _bundle(
    entries: Sequence[FhirJson], links: Sequence[tuple[str, str]], total: int | None
) -> FhirJson:
    bundle: FhirJson = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    if links:
        bundle["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if entries:
        bundle["entry"] = list(entries)
    return bundle


def cross_references(person: Known, numbers: Sequence[Number], base: str) -> FhirJson:
    """The answer of ``$ihe-pix``."""
    parameters: list[FhirJson] = [
        {"name": "targetIdentifier", "valueIdentifier": {"system": n.system, "value": n.value}}
        for n in numbers
    ]
    reference = {"reference": f"{base}/Patient/{person.person_id}"}
    parameters.append({"name": "targetId", "valueReference": reference})
    return {"resourceType": "Parameters", "parameter": parameters}
