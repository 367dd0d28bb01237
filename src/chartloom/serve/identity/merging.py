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
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import Pair, ReviewState
from chartloom.domain.resource import FhirJson, LinkKind
from chartloom.formats.fhir import decode_json, validate
from chartloom.guard.audit import events
from chartloom.guard.authority import AccessDenied
from chartloom.guard.facts import actor_of
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, form_of, visitor_of
from chartloom.serve.denials import denied, must_be_whole
from chartloom.serve.identity.addresses import open_pairs
from chartloom.serve.identity.door import IdentityDoor
from chartloom.serve.identity.pairs import in_question, pair_of
from chartloom.serve.identity.questions import AskedElsewhere
from chartloom.serve.identity.saying import speak

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What of a Patient says who somebody is; nothing else is answered.
_TOLD: Final = frozenset({
    "resourceType", "id", "active", "identifier", "name", "telecom", "gender", "birthDate",
    "deceasedBoolean", "deceasedDateTime", "address", "multipleBirthBoolean",
    "multipleBirthInteger", "link",
})  # fmt: skip
_NAMED: Final = frozenset({"resourceType", "id", "active", "link"})
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
        about = console.authority.context(visitor.principal, Purpose.OPERATIONS, asking)
        console.authority.record(events.denied(about, "malformed", what="identity/merge"))
        return _fhir(outcome("error", "invalid", asked), 400)
    must_be_whole(console)
    need = needs.identity_pair(asked.pair) if asked.preview else needs.identity_word(asked.pair)
    actor = actor_of(visitor.principal)
    try:
        permit = console.authority.permit(visitor.principal, need, asking)
        if asked.preview:
            return permit.run(_preview, console, door, asked, actor)
    except AccessDenied:
        if visitor.session is not None:
            raise
        return _fhir(outcome("error", "forbidden", "Only people who signed in may merge."), 403)
    about = console.authority.context(visitor.principal, permit.purpose, asking, permit.grant)
    try:
        answer = _Answer(permit.grant, console, door, asked, actor)
        said = speak(
            permit.grant, console.authority, about, door, console.clock, asked.pair, kind,
            actor, asked.reason, strangers=True, surviving=asked.target,
            may=open_pairs(console, request),
        )  # fmt: skip
    except AccessDenied:
        raise denied(console, request, need) from None
    except AskedElsewhere as error:
        return _fhir(outcome("error", "conflict", f"{error.what} {error.cure}"), 409)

    def told(_: Grant) -> Response:
        return answer.undone(said=said) if kind is LinkKind.WITHDRAW else answer.done(said=said)

    # What was said is on record with both records. Otherwise this is a look at them, and one event.
    return told(permit.grant) if said else permit.run(told)


def _preview(
    grant: Grant, console: Console, door: IdentityDoor, asked: Asked, actor: str
) -> Response:
    return _Answer(grant, console, door, asked, actor).shown(
        "Nothing was merged: this is a preview."
    )


class _Answer:
    """What the operation answers, about records that are there; raises ``AccessDenied`` if not.

    What they say of people is told only if there is a question about the two that does not come
    from who asks alone: to be a steward is no reason to look at any two people.
    """

    def __init__(
        self, grant: Grant, console: Console, door: IdentityDoor, asked: Asked, actor: str
    ) -> None:
        self._grant, self._door, self._asked = grant, door, asked
        states = console.store.states(grant, asked.pair)
        if len(states) != 2:
            raise AccessDenied
        self._source, self._target = (states[id].resource for id in (asked.source, asked.target))
        who = door.identities
        said = [w for w in who.words_of(grant, asked.pair) if w.pair == asked.pair]
        review, decision = who.review(grant, asked.pair), who.decision(grant, asked.pair)
        self._elements = _TOLD if in_question(review, decision, said, actor) else _NAMED

    def undone(self, *, said: bool) -> Response:
        """After what somebody said was taken back; said: there was something."""
        text = "Taken back: rules, weights and what others said count."
        if not said:
            text = "You said nothing about the two that could be taken back."
        return self.shown(text, merged=False)

    def done(self, *, said: bool) -> Response:
        """After a merge was said; said: it was not said before."""
        review = self._door.identities.review(self._grant, self._asked.pair)
        if review is not None and review.state in _WAITS:
            return self.shown(_WAITS[review.state], 202, merged=False)
        if not self._joined():
            text = "Said. It takes effect as soon as nothing that was said keeps the two apart."
            return self.shown(text, 202, merged=False)
        text = "The source is replaced by the target." if said else "That was said before."
        return self.shown(text)

    def _joined(self) -> bool:
        came = self._door.identities.memberships(self._grant, self._asked.pair)
        now = {m.source_patient: m.person_id for m in came}
        return len(now) == 2 and len(set(now.values())) == 1

    def shown(self, text: str, status: int = 200, *, merged: bool = True) -> Response:
        """The two records, as they are served then."""
        source, target = self._source, self._target
        if merged:
            source = replaced(source, self._asked.target)
            target = replacing(target, self._asked.source)
        found: list[FhirJson] = [
            {"name": "outcome", "resource": outcome("information", "informational", text)},
            {"name": "result", "resource": self._told(target)},
            {"name": "source", "resource": self._told(source)},
        ]
        return _fhir({"resourceType": "Parameters", "parameter": found}, status)

    def _told(self, patient: FhirJson) -> FhirJson:
        return {name: value for name, value in patient.items() if name in self._elements}


def replaced(source: FhirJson, target: str) -> FhirJson:
    """A Patient that was merged into another, as it is served."""
    return {**source, "active": False, "link": _linked(source, target, "replaced-by")}


def replacing(target: FhirJson, source: str) -> FhirJson:
    """A Patient into which another was merged, as it is served."""
    return {**target, "link": _linked(target, source, "replaces")}


def _linked(patient: FhirJson, other: str, kind: str) -> list[FhirJson]:
    link: FhirJson = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return [*(one for one in patient.get("link", ()) if one.get("other") != link["other"]), link]


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
