"""What every page of the console works with: the store behind a grant, the project, rendering."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Message
from chartloom.domain.ports import Charts, Clock, Identities, Messages
from chartloom.domain.resource import Traced
from chartloom.domain.store import FeedStatus
from chartloom.guard.authority import Asking, Need, Permit
from chartloom.guard.policy import Action
from chartloom.guard.staff import Role
from chartloom.serve import words
from chartloom.serve.access import Handles
from chartloom.serve.doors import Doors
from chartloom.serve.sessions import SessionBook, Visitor
from chartloom.serve.trouble import MADE_ANEW, Alarm, StoreWatch, alarms

P = ParamSpec("P")
T = TypeVar("T")

ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_EARLIER_MAX = 8
_STATUSES_S = 1.0
#: How long an answer about charts being made anew is believed.
_ANEW_S = 3.0
_STATIC = Path(__file__).parent / "static"


class Store(Charts, Messages, Identities, Protocol):
    """The reads (and the retry) that the console needs of a store."""

    def check_writable(self) -> None:
        """Raises ``StoreUnavailable`` if the store cannot take anything new."""
        ...


class Tracer(Protocol):
    """A mapping, as far as the console needs it."""

    @property
    def fingerprint(self) -> str:
        """Names the mapping's exact content."""
        ...

    @property
    def files(self) -> dict[str, bytes]:
        """The mapping's tables: path -> content."""
        ...

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """``derive`` with evidence and loss report."""
        ...


class ProjectInfo(msgspec.Struct, frozen=True):
    """What the console says about the site. ``version``: fingerprint of the active project."""

    site: str
    version: str
    feeds: tuple[Feed, ...]
    zone: str = "UTC"


@dataclass
class Console:
    """One running console. Store calls are synchronous and run in the thread pool."""

    store: Store
    doors: Doors
    project: ProjectInfo
    clock: Clock
    mappings: Mapping[str, tuple[Feed, Tracer]]
    namespace: UUID
    handles: Handles
    sessions: SessionBook
    earlier_mapping: Callable[[str, Mapping[str, bytes]], Tracer | None]
    watch: StoreWatch = field(default_factory=StoreWatch)
    _earlier: dict[str, Tracer] = field(default_factory=dict)
    _statuses: tuple[float, dict[str, FeedStatus]] = field(default=(-1e9, {}))
    _anew: tuple[float, bool] = (-1e9, False)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.project.zone)
        self.feeds = {feed.name: feed for feed in self.project.feeds}
        self.authority = self.doors.authority
        self._templates = _environment(self)

    def statuses(self, grant: Grant) -> dict[str, FeedStatus]:
        """The feeds by name, believed for a second: they are counted over the whole site, and every
        page of a chart asks. For whoever reads under ``grant`` just now."""
        at_s, known = self._statuses
        if monotonic() - at_s >= _STATUSES_S:
            known = {status.feed: status for status in self.store.feeds(grant)}
            self._statuses = (monotonic(), known)
        return known

    async def ask(
        self,
        request: Request,
        need: Need,
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``call(grant, ...)`` in the thread pool, if it is permitted, and once it is on record.

        Raises ``AccessDenied``.
        """

        def work() -> T:
            return self._permit(request, need).run(call, *args, **kwargs)

        return await run_in_threadpool(work)

    async def seek(
        self,
        request: Request,
        need: Need,
        found: Callable[[T], Sequence[str]],
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """The same for a search; found: source patients in its answer, for the record."""

        def work() -> T:
            return self._permit(request, need).search(found, call, *args, **kwargs)

        return await run_in_threadpool(work)

    def _permit(self, request: Request, need: Need) -> Permit:
        visitor = visitor_of(request)
        options = ordered(need.options, visitor)
        if visitor.token_purpose:  # a token that is for one thing is for nothing else
            options = tuple((action, Purpose(visitor.token_purpose)) for action, _ in options)
        need = msgspec.structs.replace(need, options=options)
        permit = self.authority.permit(visitor.principal, need, asking_of(request))
        request.scope["chartloom.permit"] = permit
        self.look_for_gaps()
        return permit

    def look_for_gaps(self) -> bool:
        """Whether charts are being made anew; in the thread pool, every few seconds."""
        if monotonic() - self._anew[0] >= _ANEW_S:
            grant = self.authority.gatherer.grant()
            self._anew = (monotonic(), self.store.made_anew(grant))
        return self._anew[1]

    @property
    def made_anew(self) -> bool:
        """What was last seen of that."""
        return self._anew[1]

    def may(self, request: Request, action: Action, *purposes: Purpose) -> bool:
        """Whether something about the site is permitted to the visitor, for menus and buttons."""
        visitor: Visitor | None = request.scope.get("chartloom.visitor")
        if visitor is None:
            return False
        wanted = purposes or (Purpose.OPERATIONS,)
        return any(self.authority.may(visitor.principal, action, p) for p in wanted)

    def mapping_of(self, name: str, version: str, files: Mapping[str, bytes]) -> Tracer | None:
        """The mapping of an earlier project version; compiled once, a few are kept."""
        if version not in self._earlier:
            loaded = self.earlier_mapping(name, files)
            if loaded is None:
                return None
            if len(self._earlier) >= _EARLIER_MAX:
                self._earlier.clear()
            self._earlier[version] = loaded
        return self._earlier[version]

    def page(self, request: Request, template: str, code: int = 200, **values: Any) -> Response:
        """A rendered page."""
        visitor: Visitor | None = request.scope.get("chartloom.visitor")
        permit: Permit | None = request.scope.get("chartloom.permit")
        html = self._templates.get_template(template).render(
            path=request.url.path,
            visitor=visitor,
            signed_in=visitor is not None,
            rooms=rooms_of(self, request),
            csrf=visitor.csrf if visitor else "",
            purpose=permit.purpose if permit else None,
            glass_until_us=permit.glass_until_us if permit else 0,
            purposes=purposes_of(visitor),
            now_us=self.clock.now_us(),
            builtin_provider=self.doors.builtin_provider,
            alarms=self._alarms(request),
            **values,
        )
        return HTMLResponse(html, code)

    def _alarms(self, request: Request) -> list[Alarm]:
        """What is wrong with the site, for those who may see how it does; and for everybody, that
        charts are not whole."""
        found = alarms(self.watch, self.doors.log_check())
        shown = found if found and self.may(request, Action.VIEW_SITE) else []
        return [*shown, MADE_ANEW] if self._anew[1] else shown


#: Sent by pages that ask for themselves again (``console.js``).
REFRESH_HEADER = "chartloom-refresh"


def visitor_of(request: Request) -> Visitor:
    """Who asks; the shield let nobody else through."""
    visitor: Visitor = request.scope["chartloom.visitor"]
    return visitor


def purpose_of(request: Request) -> str:
    """Ties an opaque handle to the session that it was made in."""
    return f"search {visitor_of(request).key.hex()}"


def asking_of(request: Request) -> Asking:
    """Where a request came from, for the record."""
    client = request.client
    address = client.host if client and ADDRESS.fullmatch(client.host) else ""
    visitor: Visitor | None = request.scope["chartloom.visitor"]
    fresh = visitor is not None and visitor.fresh
    refresh = request.method == "GET" and request.headers.get(REFRESH_HEADER) == "1"
    return Asking(address, request.scope["chartloom.request_id"], fresh, refresh=refresh)


def ordered(
    options: Sequence[tuple[Action, Purpose]], visitor: Visitor
) -> tuple[tuple[Action, Purpose], ...]:
    """The options, those for the purpose that the visitor chose first."""
    return tuple(sorted(options, key=lambda option: option[1] is not visitor.purpose))


#: What each role works for, in the order in which they are offered.
_PURPOSES = {
    Role.CLINICIAN: (Purpose.TREATMENT,),
    Role.DEPARTMENT_HEAD: (Purpose.OPERATIONS, Purpose.QUALITY),
    Role.INTEGRATION_ENGINEER: (Purpose.OPERATIONS,),
    Role.ANALYST: (Purpose.QUALITY, Purpose.RESEARCH),
    Role.PRIVACY_OFFICER: (Purpose.OPERATIONS,),
    Role.AUDITOR: (Purpose.OPERATIONS,),
    Role.ADMINISTRATOR: (Purpose.OPERATIONS,),
    Role.DATA_STEWARD: (Purpose.OPERATIONS,),
}


def purposes_of(visitor: Visitor | None) -> list[Purpose]:
    """The purposes that somebody's roles can be for."""
    if visitor is None:
        return []
    roles = visitor.principal.roles
    wanted = {p for role, some in _PURPOSES.items() if role in roles for p in some}
    return [p for p in Purpose if p in wanted]


#: (address, label, action, purposes) of what the head of the page leads to.
_ROOMS: tuple[tuple[str, str, Action, tuple[Purpose, ...]], ...] = (
    ("/chart", "Chart", Action.SEARCH_PERSONS, (Purpose.TREATMENT,)),
    ("/feeds", "Feeds", Action.VIEW_SITE, (Purpose.OPERATIONS,)),
    ("/messages", "Messages", Action.VIEW_MESSAGE, (Purpose.OPERATIONS,)),
    ("/quarantine", "Quarantine", Action.MANAGE_QUARANTINE, (Purpose.OPERATIONS,)),
    ("/identity", "Identity", Action.REVIEW_IDENTITY, (Purpose.OPERATIONS,)),
    ("/directory", "Directory", Action.VIEW_DIRECTORY, (Purpose.OPERATIONS, Purpose.TREATMENT)),
    ("/glass", "Break the glass", Action.FIND_PERSON, (Purpose.BREAK_GLASS,)),
    ("/review", "Glass review", Action.REVIEW_GLASS, (Purpose.OPERATIONS,)),
    ("/labels", "Labels", Action.VIEW_LABELS, (Purpose.OPERATIONS,)),
    ("/audit", "Audit", Action.VIEW_AUDIT, (Purpose.OPERATIONS,)),
    ("/keys", "Keys", Action.MANAGE_KEYS, (Purpose.OPERATIONS,)),
    ("/sessions", "Sessions", Action.VIEW_SESSIONS, (Purpose.OPERATIONS,)),
    ("/shreddings", "Destruction", Action.VIEW_SHREDDINGS, (Purpose.OPERATIONS,)),
)


def rooms_of(console: Console, request: Request) -> list[tuple[str, str]]:
    """Where the visitor may go: (address, label)."""
    if request.scope.get("chartloom.visitor") is None:
        return []
    rooms = [(a, label) for a, label, action, ps in _ROOMS if console.may(request, action, *ps)]
    if console.doors.identity is None:
        rooms = [room for room in rooms if room[0] != "/identity"]
    if console.doors.labels is None:
        rooms = [room for room in rooms if room[0] != "/labels"]
    if console.doors.directory is None:
        rooms = [room for room in rooms if room[0] != "/directory"]
    secondary = (Purpose.QUALITY, Purpose.RESEARCH)
    if console.may(request, Action.REQUEST_DATA_USE, *secondary) or console.may(
        request, Action.VIEW_DATA_USES, Purpose.OPERATIONS
    ):
        rooms.append(("/uses", "Data uses"))
    return rooms


def form_of(request: Request) -> dict[str, list[str]]:
    """The form that came with a POST, read and limited by the shield."""
    form: dict[str, list[str]] = request.scope["chartloom.form"]
    return form


def first(form: dict[str, list[str]], name: str, limit: int = 200) -> str:
    """One form value, trimmed; "" if it is absent."""
    return form.get(name, [""])[0].strip()[:limit]


def whole_number(text: str, default: int = 0) -> int:
    """A query parameter as a number that fits the store; ``default`` for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else default


def static_files() -> dict[str, tuple[Path, str]]:
    """Name -> file and its fingerprint, by which pages name it (so it may be cached for ever)."""
    return {
        path.name: (path, sha256(path.read_bytes()).hexdigest()[:12])
        for path in sorted(_STATIC.iterdir())
        if path.is_file()
    }


def _environment(console: Console) -> Environment:
    env = Environment(
        loader=PackageLoader("chartloom.serve"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    static = {name: print_ for name, (_, print_) in static_files().items()}
    zone = console.zone
    env.globals.update(
        project=console.project,
        purpose_words=words.PURPOSES,
        static=lambda name: f"/static/{static[name]}/{name}",
        clock=lambda us, seconds=True: words.clock_time(us, zone, seconds=seconds),
    )
    env.filters.update(
        ago=words.ago,
        duration=words.duration,
        fhirtime=lambda value: words.fhir_time(value, zone),
        size=words.size,
        n=words.number,
        latency=words.latency,
        plural=words.plural,
        gap=words.gap,
        unled=words.unled,
        runs=words.runs,
        unit=words.unit,
    )
    return env


def local_us(console: Console, text: str) -> int:
    """A time typed in the site's zone as microseconds; 0 if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int(at.replace(tzinfo=at.tzinfo or console.zone).timestamp() * 1_000_000)
