"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast
from uuid import UUID

from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import Clock
from chartloom.guard.audit import events
from chartloom.guard.authority import Asking
from chartloom.guard.staff import Principal
from chartloom.registry.persons import default_parameters
from chartloom.serve import (
    api,
    audit,
    chart_pages,
    entrance,
    evidence,
    feeds,
    glass,
    keys,
    messages,
    mine,
    open_sessions,
    ops,
    quarantine,
    shreddings,
    tokens,
    uses,
)
from chartloom.serve.access import Handles
from chartloom.serve.client_registry import ClientRegistry, Domains, fhir
from chartloom.serve.console import Console, ProjectInfo, Store, Tracer, asking_of, visitor_of
from chartloom.serve.directory import pages as directory
from chartloom.serve.doors import Doors
from chartloom.serve.earlier import earlier_mapping
from chartloom.serve.errors import Handlers, answer
from chartloom.serve.identity import pages as identity
from chartloom.serve.labels import pages as labels
from chartloom.serve.limits import Limiter, Refused
from chartloom.serve.lists import pages as lists
from chartloom.serve.readiness import MetricsRule
from chartloom.serve.sessions import SessionBook, Visitor
from chartloom.serve.shield import Shield
from chartloom.serve.strangers import Strangers
from chartloom.serve.trouble import StoreWatch

#: Names under which a console bound to this machine may be asked for.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def create_app(
    store: Store,
    doors: Doors,
    project_info: ProjectInfo,
    clock: Clock,
    mappings: Mapping[str, tuple[Feed, Tracer]],
    namespace: UUID,
    token: str,
    *,
    earlier_mapping: Callable[[str, Mapping[str, bytes]], Tracer | None] = earlier_mapping,
    hosts: Sequence[str] = LOCAL_HOSTS,
    registry: CollectorRegistry = REGISTRY,
    metrics: MetricsRule = MetricsRule(),  # noqa: B008 - frozen
    domains: Domains | None = None,
    watch: StoreWatch | None = None,
) -> Starlette:
    """The console for one site.

    doors: who decides and who keeps sessions and records. token: the console token (>= 32 random
    characters); where there is no identity provider, links for the local operator are made from it
    with :func:`~chartloom.serve.access.sign_in_path`. earlier_mapping: loads the mapping of an
    earlier project version from its name and files, None if it cannot be loaded any more. domains:
    assigning authorities that the doors for other systems answer for; all without any. hosts:
    what the ``Host`` header may say (protection against DNS rebinding). watch: told by others too
    whether the store is in order. Serve it without an access
    log, or with one that does not log query strings.
    """
    console = Console(
        store,
        doors,
        project_info,
        clock,
        mappings,
        namespace,
        Handles(token, clock, doors.used),
        SessionBook(doors.sessions, doors.minter, clock, doors.staff, doors.limits),
        earlier_mapping,
        watch or StoreWatch(),
    )

    def refuse(request: Request, status: int) -> Response:
        return answer(console, request, status)

    def note(request: Request, too_often: Refused) -> None:
        visitor: Visitor | None = request.scope["chartloom.visitor"]
        principal = visitor.principal if visitor else Principal("nobody")
        about = console.authority.context(principal, Purpose.OPERATIONS, asking_of(request))
        console.authority.record(events.denied(about, "too-often", what=f"door/{too_often.door}"))

    def turned(request: Request, why: str) -> None:
        visitor = visitor_of(request)
        about = console.authority.context(visitor.principal, Purpose.OPERATIONS, asking_of(request))
        console.authority.record(events.denied(about, why, what="door/request"))

    def strange(why: str, count: int) -> None:
        about = console.authority.context(Principal("nobody"), Purpose.OPERATIONS, Asking())
        console.authority.record(events.denied(about, why, what="door/request", count=count))

    registry_door = fhir.routes(
        console,
        ClientRegistry(store, doors.authority, domains or Domains()),
        (doors.identity.parameters if doors.identity else default_parameters)().link,
    )
    rooms = (
        *(entrance, feeds, messages, quarantine, lists, chart_pages, evidence, api, tokens),
        *(mine, glass, uses, shreddings, audit, keys, open_sessions, identity, directory, labels),
    )
    return Starlette(
        routes=[route for room in rooms for route in room.routes(console)]
        + registry_door
        + ops.routes(console, registry, metrics),
        middleware=[
            Middleware(
                Shield,
                sessions=console.sessions,
                services=doors.services,
                https=doors.https,
                hosts=hosts,
                refuse=refuse,
                limiter=Limiter(doors.rates),
                note=note,
                turned=turned,
                strangers=Strangers(strange),
            )
        ],
        exception_handlers=cast(
            "Mapping[type[Exception] | int, ExceptionHandler]", Handlers(console).table()
        ),
    )
