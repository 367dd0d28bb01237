"""Every value opens its evidence: the message that said it, with exactly those bytes marked."""

from __future__ import annotations

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.resource import Evidence, ResourceState, Stamp
from chartloom.domain.store import MessageRow
from chartloom.serve import json_view, needs
from chartloom.serve.bytes_view import Page
from chartloom.serve.console import Console
from chartloom.serve.elements import element_in, resolve, stamp_at, stated_elements
from chartloom.serve.rules import RuleRow, rows_of
from chartloom.serve.tracing import Trace, draw, evidence_href, narrowed, resource_in, trace

#: Messages looked at for what else was said about an element.
_STATEMENTS_MAX = 20
_PANEL_BYTES_MAX = 60_000


class Statement(msgspec.Struct, frozen=True):
    """What messages said about an element: the newest of those that say the same."""

    row: MessageRow
    value: str
    stands: bool
    count: int


class Proof(msgspec.Struct, frozen=True):
    """An element of a resource with everything that shows where it came from."""

    resource_id: str
    resource_type: str
    source_patient: str
    element: str
    value: str
    stamp: Stamp | None
    explained: Trace | None
    evidence: tuple[Evidence, ...]
    exact: bool  #: the evidence is for this very element, not for one it is part of
    page: Page | None
    rules: tuple[RuleRow, ...]
    statements: tuple[Statement, ...]
    said_by: int  #: messages that contributed to the resource
    looked_at: int  #: how many of them, the newest, were looked at for statements

    @property
    def marked_bytes(self) -> int:
        """How many bytes are highlighted."""
        return sum(b - a for e in self.evidence for a, b in e.spans)


def routes(console: Console) -> list[BaseRoute]:
    """``/evidence/{resource}/{element}`` and ``/resources/{resource}``."""

    async def evidence(request: Request) -> Response:
        resource_id, element = request.path_params["resource"], request.path_params["element"]
        need = needs.evidence(resource_id)
        proof = await console.ask(request, need, prove, console, resource_id, element)
        return console.page(request, "evidence.html", proof=proof, href=evidence_href)

    async def resource(request: Request) -> Response:
        resource_id = request.path_params["resource"]
        state, history = await console.ask(
            request, needs.evidence(resource_id), _resource, console, resource_id
        )
        return console.page(
            request,
            "resource.html",
            state=state,
            json=json_of(state),
            history=history,
            stamps=stated_elements(state),
            version=max((s.position for s in state.stamps.values()), default=0),
            href=evidence_href,
        )

    return [
        Route("/evidence/{resource}/{element:path}", evidence),
        Route("/resources/{resource}", resource),
    ]


def prove(grant: Grant, console: Console, resource_id: str, asked: str) -> Proof:
    """Collects the evidence; raises ``NotFound`` when the resource or the element is not there."""
    state = console.store.state(grant, resource_id)
    element = resolve(state.resource, asked)
    value = json_view.at_path(state.resource, element)
    stamp = stamp_at(state, element)
    if value is None and stamp is None:
        raise NotFound(
            "This resource has no such element.",
            cure="Open the resource to see the elements it has now.",
        )
    explained: Trace | None = None
    found: list[Evidence] = []
    exact = True
    if stamp is not None:
        explained = _trace(console, grant, stamp.position)
    if explained is not None:
        there = element_in(state, element, resource_in(explained, resource_id))
        found, exact = narrowed(explained, explained.evidence(resource_id, there), there, value)
    spans = [span for e in found for span in e.spans]
    history = console.store.history(grant, resource_id)
    return Proof(
        resource_id=resource_id,
        resource_type=state.type,
        source_patient=state.source_patient,
        element=element,
        value="" if value is None else json_view.readable(value),
        stamp=stamp,
        explained=explained,
        evidence=tuple(found),
        exact=exact,
        page=draw(explained, spans, _PANEL_BYTES_MAX) if explained else None,
        rules=tuple(rows_of(explained.files, [e.rule for e in found])) if explained else (),
        statements=_statements(console, grant, state, element, history, stamp),
        said_by=len(history),
        looked_at=min(len(history), _STATEMENTS_MAX),
    )


def _trace(console: Console, grant: Grant, position: int) -> Trace | None:
    """The message explained; ``None`` if it is about somebody else too, or holds what is labelled,
    so that its bytes are not for whoever asks."""
    try:
        return trace(console, grant, position)
    except NotFound:
        return None


def _statements(
    console: Console,
    grant: Grant,
    state: ResourceState,
    element: str,
    history: list[MessageRow],
    stamp: Stamp | None,
) -> tuple[Statement, ...]:
    """What the contributing messages said about the element, the newest first."""
    said: dict[str, Statement] = {}
    for row in history[:_STATEMENTS_MAX]:
        try:
            detail = console.store.detail(grant, row.position)
        except NotFound:
            continue
        stated = next((r for r in detail.resources if r.get("id") == state.id), None)
        if stated is None:
            continue
        value = json_view.at_path(stated, element_in(state, element, stated))
        if value is None:
            continue
        text = json_view.readable(value)
        stands = stamp is not None and row.position == stamp.position
        known = said.get(text)
        if known is None:
            said[text] = Statement(row, text, stands, 1)
        else:
            said[text] = msgspec.structs.replace(
                known, stands=known.stands or stands, count=known.count + 1
            )
    return tuple(said.values())


def _resource(
    grant: Grant, console: Console, resource_id: str
) -> tuple[ResourceState, list[MessageRow]]:
    state = console.store.state(grant, resource_id)
    return state, console.store.history(grant, resource_id)


def json_of(state: ResourceState) -> Markup:
    """The resource with a link to the evidence on every value that somebody stated."""

    def lead(path: str) -> json_view.Anchor | None:
        if stamp_at(state, path) is None:
            return None
        return json_view.Anchor(evidence_href(state.id, path), f"Evidence for {path}")

    return json_view.render(state.resource, lead)
