"""The FHIR door: PDQm search and read (ITI-78), ``$match`` (ITI-119), ``$ihe-pix`` (ITI-83)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain import codec
from chartloom.domain.grant import Purpose
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import decode_json, validate
from chartloom.guard.authority import AccessDenied
from chartloom.serve.client_registry import fhir_answers as answers
from chartloom.serve.client_registry import people
from chartloom.serve.client_registry.capability import BASE, capability, operation
from chartloom.serve.client_registry.domains import Domain
from chartloom.serve.client_registry.fhir_params import (
    Asked,
    Pairs,
    identifier,
    read_parameters,
)
from chartloom.serve.client_registry.registry import Asker, ClientRegistry, Declined
from chartloom.serve.console import Console, asking_of, visitor_of

_PIX, _SEARCH, _MATCH = "ITI-83", "ITI-78", "ITI-119"
_COUNT_MAX: Final = 50
_COUNT: Final = 10
_PAGE_HANDLE: Final = "fhir page"
_PAGE: Final = "_page"
_Work = Callable[[Request, Asker], Response]


def routes(console: Console, registry: ClientRegistry, certain_bits: float) -> list[BaseRoute]:
    """Everything under ``/fhir/R4``. certain_bits: the weight at which records are linked."""
    door = _Door(console, registry, certain_bits)

    async def metadata(request: Request) -> Response:
        return answers.fhir(capability(_base(request), console.project.version))

    async def smart(request: Request) -> Response:
        return Response(codec.encode(_smart(request)), media_type="application/json")

    async def definition(request: Request) -> Response:
        found = operation(request.path_params["id"], _base(request))
        return answers.fhir(found) if found else answers.outcome(404, "There is no such operation.")

    def asked(work: _Work) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(door.answer, request, work)

        return endpoint

    return [
        Route(f"{BASE}/metadata", metadata),
        Route(f"{BASE}/.well-known/smart-configuration", smart),
        Route(f"{BASE}/OperationDefinition/{{id}}", definition),
        Route(f"{BASE}/Patient", asked(door.search)),
        Route(f"{BASE}/Patient/_search", asked(door.search_posted), methods=["POST"]),
        Route(f"{BASE}/Patient/$match", asked(door.match), methods=["POST"]),
        Route(f"{BASE}/Patient/$ihe-pix", asked(door.cross_reference), methods=["GET", "POST"]),
        Route(f"{BASE}/Patient/{{id}}", asked(door.read)),
    ]


class _Door:
    """What the endpoints do, in the thread pool."""

    def __init__(self, console: Console, registry: ClientRegistry, certain_bits: float) -> None:
        self._console, self._registry, self._bits = console, registry, certain_bits

    def answer(self, request: Request, work: _Work) -> Response:
        """An endpoint's answer; one event, whatever comes of it."""
        visitor = visitor_of(request)
        purpose = visitor.purpose or Purpose.TREATMENT
        asker = Asker(visitor.principal, purpose, asking_of(request))
        try:
            return work(request, asker)
        except AccessDenied:
            if not visitor.principal.service:
                raise
            text = "The scopes or the purpose of this token do not cover this."
            return answers.outcome(403, text)

    def search(self, request: Request, asker: Asker) -> Response:
        """``GET Patient?...``: a search, or a further page of one."""
        pairs = request.query_params.multi_items()
        if [name for name, _ in pairs if name == _PAGE]:
            return self._page(request, asker, dict(pairs)[_PAGE])
        return self._search(request, asker, pairs, "")

    def search_posted(self, request: Request, asker: Asker) -> Response:
        """``POST Patient/_search``: the same, without anything about a patient in the address."""
        form: dict[str, list[str]] = request.scope["chartloom.form"]
        pairs = [(name, value) for name, values in form.items() for value in values]
        pairs = [*request.query_params.multi_items(), *pairs]
        return self._search(request, asker, pairs, "")

    def _page(self, request: Request, asker: Asker, handle: str) -> Response:
        held = self._console.handles.reveal(handle, f"{_PAGE_HANDLE} {asker.principal.subject}")
        if not held:
            self._registry.decline(asker, _SEARCH)
            return answers.declined(Declined("expired", "this page is not there any more."))
        pairs = msgspec.json.decode(held["pairs"], type=list[tuple[str, str]])
        return self._search(request, asker, pairs, held["after"])

    def _search(self, request: Request, asker: Asker, pairs: Pairs, after: str) -> Response:
        try:
            asked = read_parameters(pairs, self._registry.domains)
            if not asked.search.wanted and not asked.search.ids:
                raise Declined("too-costly", "say by what to search; nobody is listed.")
        except Declined as error:
            self._registry.decline(asker, _SEARCH)
            return answers.declined(error)
        return self._found(request, asker, asked, pairs, after)

    def _found(
        self, request: Request, asker: Asker, asked: Asked, pairs: Pairs, after: str
    ) -> Response:
        try:
            page = self._registry.search(
                asker, asked.search, _SEARCH, after=after, limit=asked.count
            )
        except Declined as error:
            return answers.declined(error)
        base = _base(request)
        links = [("self", f"{base}/{_asked_at(request)}")]
        if page.after:
            kept = {"pairs": codec.encode(list(pairs)).decode(), "after": page.after}
            name = f"{_PAGE_HANDLE} {asker.principal.subject}"
            handle = self._console.handles.hide(kept, name)
            links.append(("next", f"{base}/Patient?{urlencode({_PAGE: handle})}"))
        total = len(page.persons) if not page.after and not after else None
        targets = asked.search.targets
        found = answers.searchset(page.persons, self._registry.domains, base, links, targets, total)
        return answers.fhir(found)

    def read(self, request: Request, asker: Asker) -> Response:
        """``GET Patient/{id}``: a person, by the id that searches give."""
        id = request.path_params["id"]
        asked = read_parameters([("_id", id)], self._registry.domains) if _is_id(id) else None
        if asked is None:
            self._registry.decline(asker, _SEARCH)
            return answers.outcome(404, "There is no such patient.")
        page = self._registry.search(asker, asked.search, _SEARCH)
        # Another record's id leads to the person, whose id is another: FHIR reads one id only.
        found = [p for p in page.persons if p.person_id == id]
        into = [p for p in page.persons if id in {s.id for s in p.merged}]
        if into and not found:
            return answers.fhir(people.replaced(id, into[0].person_id))
        if not found:
            return answers.outcome(404, "There is no such patient.")
        patient = people.resource(found[0], self._registry.domains)
        return answers.fhir(patient)

    def match(self, request: Request, asker: Asker) -> Response:
        """``POST Patient/$match``."""
        try:
            given = _parameters(request)
            patient = _patient(given)
            certain = _boolean(given, "onlyCertainMatches")
            count = _number(given, "count", _COUNT)
        except Declined as error:
            self._registry.decline(asker, _MATCH)
            return answers.declined(error)
        found = self._registry.match(
            asker, patient, _MATCH, certain=certain, limit=min(count, _COUNT_MAX)
        )
        if certain and len(found) > 1:
            found = []  # two persons are none that is certain
        bundle = answers.matches(found, self._registry.domains, _base(request), self._bits)
        return answers.fhir(bundle)

    def cross_reference(self, request: Request, asker: Asker) -> Response:
        """``Patient/$ihe-pix``, with parameters in the address or in the body."""
        try:
            domain, value, targets = self._asked_numbers(request)
        except Declined as error:
            self._registry.decline(asker, _PIX)
            return answers.declined(error)
        try:
            person, numbers = self._registry.cross_reference(asker, domain, value, targets, _PIX)
        except Declined as error:
            text = "sourceIdentifier Patient Identifier not found"
            if error.code != "unknown-key":
                text = error.what
            return answers.declined(Declined(error.code, text, where="sourceIdentifier"))
        return answers.fhir(answers.cross_references(person, numbers, _base(request)))

    def _asked_numbers(self, request: Request) -> tuple[Domain, str, list[Domain]]:
        if request.method == "POST":
            given = _parameters(request)
            pairs = [(name, _token(value)) for name, values in given.items() for value in values]
        else:
            pairs = request.query_params.multi_items()
        sources = [v for n, v in pairs if n == "sourceIdentifier"]
        unknown = {n for n, _ in pairs} - {"sourceIdentifier", "targetSystem", "_format"}
        if unknown:
            raise Declined("not-supported", "this parameter is not known.", where=min(unknown))
        if len(sources) != 1 or not sources[0].rpartition("|")[0]:
            text = "one sourceIdentifier is needed, with its system: system|value."
            raise Declined("required", text, where="sourceIdentifier")
        try:
            asked = identifier(sources[0], self._registry.domains)
        except Declined as error:
            if error.code == "unknown-domain":
                text = "sourceIdentifier Assigning Authority not found"
                raise Declined(error.code, text, where="sourceIdentifier") from error
            raise Declined(error.code, error.what, where="sourceIdentifier") from error
        targets = []
        for system in (s for n, v in pairs if n == "targetSystem" for s in v.split(",")):
            target = self._registry.domains.of_system(system.strip().rstrip("|"))
            if target is None:
                raise Declined("unknown-target", "targetSystem not found", where="targetSystem")
            targets.append(target)
        assert asked.domain is not None
        return asked.domain, asked.value, targets


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and all(c.isascii() and (c.isalnum() or c in "-.") for c in text)


def _base(request: Request) -> str:
    """The address of the door, as it was asked."""
    return f"{request.url.scheme}://{request.url.netloc}{BASE}"


def _smart(request: Request) -> dict[str, object]:
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return {
        "token_endpoint": f"{origin}/token",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384", "ES256"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/Patient.rs"],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }


def _parameters(request: Request) -> dict[str, list[object]]:
    """The values of a Parameters resource by name; ``valueX`` or ``resource``."""
    value, issues = decode_json(request.scope["chartloom.body"])
    if issues or not isinstance(value, dict):
        raise Declined("structure", "the body is no JSON object.")
    if value.get("resourceType") != "Parameters":
        raise Declined("structure", "the body is no FHIR Parameters resource.")
    if wrong := validate(value):
        said = f"{wrong[0].code} at {wrong[0].location}"  # codes and places, no values
        raise Declined("structure", f"the body is not valid: {said}.")
    found: dict[str, list[object]] = {}
    for parameter in value.get("parameter", ()):
        held = [v for k, v in parameter.items() if k.startswith("value") or k == "resource"]
        if len(held) != 1:
            raise Declined("structure", "a parameter needs one value.")
        found.setdefault(parameter["name"], []).append(held[0])
    return found


def _patient(given: dict[str, list[object]]) -> FhirJson:
    resources = given.get("resource", [])
    known = {"resource", "onlyCertainMatches", "count", "onlySingleMatch"}
    if unknown := given.keys() - known:
        raise Declined("not-supported", "this parameter is not known.", where=min(unknown))
    if len(resources) != 1 or not isinstance(resources[0], dict):
        raise Declined("required", "one resource is needed: the Patient.", where="resource")
    patient = resources[0]
    if patient.get("resourceType") != "Patient":
        raise Declined("structure", "the resource is no Patient.", where="resource")
    return patient


def _boolean(given: dict[str, list[object]], name: str) -> bool:
    values = given.get(name, [False])
    if len(values) != 1 or not isinstance(values[0], bool):
        raise Declined("invalid", f"{name} is true or false.", where=name)
    return values[0]


def _number(given: dict[str, list[object]], name: str, default: int) -> int:
    values = given.get(name, [default])
    if len(values) != 1 or not isinstance(values[0], int) or values[0] < 1:
        raise Declined("invalid", f"{name} is a number above 0.", where=name)
    return values[0]


def _token(value: object) -> str:
    """A parameter of ``$ihe-pix`` as it stands in an address."""
    if isinstance(value, dict):  # an Identifier
        return f"{value.get('system', '')}|{value.get('value', '')}"
    return value if isinstance(value, str) else ""


def _asked_at(request: Request) -> str:
    """What was asked, as it stood in the address: what was posted stays out of addresses."""
    query = request.url.query
    posted = "/_search" if request.method == "POST" else ""
    return f"Patient{posted}" + (f"?{query}" if query else "")
