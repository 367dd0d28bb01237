"""What every page of the console works with: the store behind a grant, the project, rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.message import Message
from chartloom.domain.ports import Charts, Clock, Messages
from chartloom.domain.resource import Traced
from chartloom.serve import words
from chartloom.serve.access import Access, Session

P = ParamSpec("P")
T = TypeVar("T")

_GRANT_S = 900
_GRANT_SPARE_US = 60_000_000
_EARLIER_MAX = 8
_STATIC = Path(__file__).parent / "static"


class Store(Charts, Messages, Protocol):
    """The reads (and the retry) that the console needs of a store."""

    def check_writable(self) -> None:
        """Raises ``StoreUnavailable`` if the store cannot take anything new."""
        ...


class Minter(Protocol):
    """The guard, as far as the console needs it."""

    def mint(
        self,
        actor: str,
        purpose: Purpose,
        persons: Sequence[str] = EVERYONE,
        labels: Sequence[str] = ("*",),
        ttl_s: int = 900,
    ) -> Grant:
        """A signed grant."""
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
    guard: Minter
    project: ProjectInfo
    clock: Clock
    mappings: Mapping[str, tuple[Feed, Tracer]]
    namespace: UUID
    access: Access
    earlier_mapping: Callable[[str, Mapping[str, bytes]], Tracer | None]
    _grants: dict[tuple[str, Purpose], Grant] = field(default_factory=dict)
    _earlier: dict[str, Tracer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.project.zone)
        self.feeds = {feed.name: feed for feed in self.project.feeds}
        self._templates = _environment(self)

    async def ask(
        self,
        request: Request,
        purpose: Purpose,
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``call(grant, ...)`` in the thread pool, with a grant for whoever is signed in."""
        grant = self.grant(session_of(request), purpose)
        return await run_in_threadpool(call, grant, *args, **kwargs)

    def grant(self, session: Session, purpose: Purpose) -> Grant:
        """The session's grant for a purpose; minted anew shortly before it ends."""
        key = (session.actor, purpose)
        known = self._grants.get(key)
        if known is None or known.expires_at_us < self.clock.now_us() + _GRANT_SPARE_US:
            known = self.guard.mint(session.actor, purpose, ttl_s=_GRANT_S)
            self._grants[key] = known
        return known

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
        session: Session | None = request.scope.get("chartloom.session")
        html = self._templates.get_template(template).render(
            path=request.url.path,
            signed_in=session is not None,
            csrf=self.access.csrf(session) if session else "",
            now_us=self.clock.now_us(),
            **values,
        )
        return HTMLResponse(html, code)


def session_of(request: Request) -> Session:
    """The session that the shield let through."""
    session: Session = request.scope["chartloom.session"]
    return session


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
    )
    return env
