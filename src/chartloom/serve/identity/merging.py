"""``Patient/$merge`` (of FHIR R5, on R4) and its way back, ``$unmerge``: a person's word.

The source's record is replaced by the target's: as it is answered the source is inactive and says
by whom it is replaced. Nothing of either record changes, so that unmerging leaves no trace. Where
two people have to say the same, the first merge waits for the second (202).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain import codec
from chartloom.domain.grant import Grant
from chartloom.domain.identity import Pair, ReviewState
from chartloom.domain.resource import FhirJson, LinkKind
from chartloom.formats.fhir import decode_json, validate
from chartloom.guard.authority import AccessDenied
from chartloom.guard.facts import actor_of
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, form_of, visitor_of
from chartloom.serve.identity.door import IdentityDoor
from chartloom.serve.identity.pairs import pair_of
from chartloom.serve.identity.saying import speak

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What of a Patient says who somebody is; nothing else is answered.
_TOLD: Final = frozenset({
    "resourceType", "id", "active", "identifier", "name", "telecom", "gender", "birthDate",
    "deceasedBoolean", "deceasedDateTime", "address", "multipleBirthBoolean",
    "multipleBirthInteger", "link",
})  # fmt: skip
_KNOWN: Final = frozenset({"source-patient", "target-patient", "preview", "reason"})
_WAITS: Final = {
    ReviewState.HALF: "Said. A second person has to say the same before it counts.",
    ReviewState.DISPUTED: "Said. Others say that they are two people; it does not count.",
}


class Asked(msgspec.Struct, frozen=True):
    """What is to be merged. reason: a code, or ""."""

    source: str
    target: str
    preview: bool = False
    reason: str = ""

    @property
    def pair(self) -> Pair:
        """The two in order."""
        return pair_of(self.source, self.target)


def routes(console: Console, door: IdentityDoor) -> list[BaseRoute]:
    """``POST /fhir/R4/Patient/$merge`` and ``$unmerge``, for people who have signed in."""

    async def merge(request: Request) -> Response:
        return await run_in_threadpool(_answer, console, door, request, LinkKind.MERGE)

    async def unmerge(request: Request) -> Response:
        return await run_in_threadpool(_answer, console, door, request, LinkKind.WITHDRAW)

    return [
        Route("/fhir/R4/Patient/$merge", merge, methods=["POST"]),
        Route("/fhir/R4/Patient/$unmerge", unmerge, methods=["POST"]),
    ]


def _answer(console: Console, door: IdentityDoor, request: Request, kind: LinkKind) -> Response:
    asked = read_asked(request.scope["chartloom.body"], form_of(request))
    visitor, asking = visitor_of(request), asking_of(request)
    if isinstance(asked, str):
        return _fhir(outcome("error", "invalid", asked), 400)
    need = needs.identity_pair(asked.pair) if asked.preview else needs.identity_word(asked.pair)
    try:
        permit = console.authority.permit(visitor.principal, need, asking)
        if asked.preview:
            return permit.run(_shown, console, asked, "Nothing was merged: this is a preview.")
        about = console.authority.context(visitor.principal, permit.purpose, asking, permit.grant)
        if len(console.store.states(permit.grant, [asked.source, asked.target])) != 2:
            raise AccessDenied
        actor = actor_of(visitor.principal)
        said = speak(
            permit.grant, console.authority, about, door, console.clock, asked.pair, kind, actor,
            asked.reason, strangers=True, surviving=asked.target,
        )  # fmt: skip
    except AccessDenied:
        if visitor.session is not None:
            raise
        return _fhir(outcome("error", "forbidden", "Only people who signed in may merge."), 403)
    return _done(permit.grant, console, door, asked, kind, said=said)


def _done(
    grant: Grant, console: Console, door: IdentityDoor, asked: Asked, kind: LinkKind, *, said: bool
) -> Response:
    review = door.identities.review(grant, asked.pair)
    if kind is LinkKind.WITHDRAW:
        text = "Taken back: rules, weights and what others said count."
        return _shown(grant, console, asked, text, merged=False)
    if review is not None and review.state in _WAITS:
        return _shown(grant, console, asked, _WAITS[review.state], 202, merged=False)
    if not _joined(grant, door, asked.pair):
        text = "Said. It takes effect as soon as nothing that was said keeps the two apart."
        return _shown(grant, console, asked, text, 202, merged=False)
    text = "The source is replaced by the target." if said else "That was said before."
    return _shown(grant, console, asked, text)


def _joined(grant: Grant, door: IdentityDoor, pair: Pair) -> bool:
    came = door.identities.memberships(grant, pair)
    now = {m.source_patient: m.person_id for m in came}
    return len(now) == 2 and len(set(now.values())) == 1


def _shown(
    grant: Grant, console: Console, asked: Asked, text: str, status: int = 200, *,
    merged: bool = True,
) -> Response:  # fmt: skip
    states = console.store.states(grant, [asked.source, asked.target])
    if len(states) != 2:
        raise AccessDenied
    source, target = (states[i].resource for i in (asked.source, asked.target))
    if merged:
        source, target = replaced(source, asked.target), replacing(target, asked.source)
    found: list[FhirJson] = [
        {"name": "outcome", "resource": outcome("information", "informational", text)},
        {"name": "result", "resource": _told(target)},
        {"name": "source", "resource": _told(source)},
    ]
    return _fhir({"resourceType": "Parameters", "parameter": found}, status)


def replaced(source: FhirJson, target: str) -> FhirJson:
    """A Patient that was merged into another, as it is served."""
    return {**source, "active": False, "link": _linked(source, target, "replaced-by")}


def replacing(target: FhirJson, source: str) -> FhirJson:
    """A Patient into which another was merged, as it is served."""
    return {**target, "link": _linked(target, source, "replaces")}


def _linked(patient: FhirJson, other: str, kind: str) -> list[FhirJson]:
    link: FhirJson = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return [*(one for one in patient.get("link", ()) if one.get("other") != link["other"]), link]


def _told(patient: FhirJson) -> FhirJson:
    return {name: value for name, value in patient.items() if name in _TOLD}


def read_asked(body: bytes, form: dict[str, list[str]]) -> Asked | str:
    """What is asked, of a Parameters resource or a form; or what is wrong with it."""
    given = _of_parameters(body) if body else _of_form(form)
    if isinstance(given, str):
        return given
    if unknown := given.keys() - _KNOWN:
        return f"The parameter {min(unknown)!r} is not known here."
    source, target = (
        str(given.get(n, "")).removeprefix("Patient/") for n in ("source-patient", "target-patient")
    )
    if not (_UUID.fullmatch(source) and _UUID.fullmatch(target)):
        return "source-patient and target-patient are needed, as references to Patients by our ids."
    if source == target:
        return "A record cannot be merged into itself."
    preview, reason = given.get("preview", False), given.get("reason", "")
    if not isinstance(preview, bool) or not isinstance(reason, str):
        return "preview is true or false, reason is a code."
    return Asked(source, target, preview, reason)


def _of_form(form: dict[str, list[str]]) -> dict[str, Any] | str:
    given: dict[str, Any] = {n: v[0] for n, v in form.items() if n != "csrf"}
    if any(len(v) != 1 for n, v in form.items()):
        return "A parameter was given twice."
    if "preview" in given:
        given["preview"] = {"true": True, "false": False}.get(given["preview"], given["preview"])
    return given


def _of_parameters(body: bytes) -> dict[str, Any] | str:
    value, issues = decode_json(body)
    if issues or not isinstance(value, dict):
        return "The body is no JSON object."
    if value.get("resourceType") != "Parameters" or validate(value):
        return "The body is no valid FHIR Parameters resource."
    given: dict[str, Any] = {}
    for parameter in value.get("parameter", ()):
        held = [v for k, v in parameter.items() if k.startswith("value")]
        if len(held) != 1 or parameter["name"] in given:
            return f"The parameter {parameter['name']!r} needs one value, once."
        one = held[0]
        given[parameter["name"]] = one.get("reference", "") if isinstance(one, dict) else one
    return given


def outcome(severity: str, code: str, text: str) -> FhirJson:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "details": {"text": text}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _fhir(body: FhirJson, status: int) -> Response:
    return Response(codec.encode(body), status, media_type="application/fhir+json")
