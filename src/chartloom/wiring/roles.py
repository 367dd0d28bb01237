"""The roles, each in the foreground of its own process: ``ingest``, ``worker``, ``serve``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.guard import Guard
from chartloom.project import Project
from chartloom.wiring.aside import Aside
from chartloom.wiring.console_token import console_token
from chartloom.wiring.logs import configure_logging
from chartloom.wiring.site import OpenSite, open_site
from chartloom.wiring.supervisor import die_with_parent, say_ready

_SERVICE_GRANT_S = 3600
_RENEW_BEFORE_US = 600 * 1_000_000
_COLLECTED_MAX = 100_000  #: objects that are looked at in one go: some tens of milliseconds
_WHOLE_EVERY_S = 900.0  #: how often an idle worker looks at everything: about a second


class ServiceGrants:
    """Keeps one unexpired grant for a service, renewed in time."""

    def __init__(self, guard: Guard, opened: OpenSite, actor: str) -> None:
        self._guard, self._clock, self._actor = guard, opened.clock, actor
        self._grant = self._mint()

    def _mint(self) -> Grant:
        return self._guard.mint(self._actor, Purpose.OPERATIONS, EVERYONE, ("*",), _SERVICE_GRANT_S)

    def __call__(self) -> Grant:
        if self._grant.expires_at_us - self._clock.now_us() < _RENEW_BEFORE_US:
            self._grant = self._mint()
        return self._grant


def run_role(project: Project, role: str, name: str) -> None:
    """Runs ``role`` until TERM or INT; raises ``ConfigurationError`` for an unknown one."""
    roles: dict[str, Callable[[OpenSite, str], None]] = {
        "ingest": _ingest,
        "worker": _worker,
        "serve": _serve,
    }
    if role not in roles:
        raise ConfigurationError(
            f"There is no role {role!r}.", cure=f"Use one of: {', '.join(roles)}."
        )
    configure_logging(name)
    die_with_parent()
    with open_site(project) as opened:
        roles[role](opened, name)


def _spare_the_collector() -> None:
    """No collection looks at what lives as long as the process (compiled mappings)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


class IdleCollector:
    """The collector's turn in a worker, where it does not run by itself.

    A batch makes several hundred thousand objects without cycles, and caches hold millions; to
    look through them again and again costs more than to map the messages. So it looks when nothing
    is waiting, only at what is new since, and sets that aside: caches drop it without its help.
    After a long rush there is too much to look at without keeping the next message waiting; what
    was set aside then is looked through now and then, so that nothing is kept for ever.
    """

    def __init__(self) -> None:
        self._whole_at_s = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._whole_at_s > _WHOLE_EVERY_S:
            gc.unfreeze()
            gc.collect()
            self._whole_at_s = time.monotonic()
        elif gc.get_count()[0] < _COLLECTED_MAX:
            gc.collect(0)
        gc.freeze()


def _on_stop(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _worker(opened: OpenSite, name: str) -> None:
    from chartloom.hot import Worker

    engines = opened.project.settings.engines
    stop = threading.Event()
    _on_stop(stop.set)
    mappings = opened.load_mappings()
    for _, mapping in mappings.values():
        opened.store.save_project_version(mapping.fingerprint, mapping.files)
    opened.keep_directory()
    if opened.guard.broker is not None:
        for _, mapping in mappings.values():
            opened.guard.broker.when_forgetting(mapping.clear)
    grants = ServiceGrants(opened.guard, opened, f"service:{name}")
    worker = Worker(
        store=opened.store,
        mappings=mappings,
        namespace=opened.guard.namespace,
        clock=opened.clock,
        grant_source=grants,
        name=name,
        share=engines.lanes_per_worker_max,
        batch_max=engines.batch_max,
        when_idle=IdleCollector(),
        aside=Aside(lambda most: opened.store.rekey(grants(), name, most)),
        parameters=opened.store.parameters,
    )
    _spare_the_collector()
    gc.disable()
    say_ready()
    worker.run(stop)


def _ingest(opened: OpenSite, name: str) -> None:
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(_ingest_async(opened))


async def _ingest_async(opened: OpenSite) -> None:
    from chartloom.sources import IngestServer
    from chartloom.wiring.services import admission_of

    server = IngestServer(
        opened.project.feeds,
        opened.store,
        opened.clock,
        opened.guard.namespace,
        base=opened.project.folder,
        admission=admission_of(opened.project, opened.clock),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    _spare_the_collector()
    say_ready()
    failed = asyncio.ensure_future(server.failed())
    await asyncio.wait(
        (failed, asyncio.ensure_future(stopped.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    if failed.done():
        failed.result()  # a defect: end loudly, the supervisor starts this role again
    failed.cancel()
    await server.stop()


def _serve(opened: OpenSite, name: str) -> None:
    from prometheus_client import CollectorRegistry

    from chartloom.serve import ProjectInfo, StoreWatch, create_app, earlier_mapping
    from chartloom.serve.sessions import SessionBook
    from chartloom.wiring.address import console_hosts
    from chartloom.wiring.console_server import ConsoleServer
    from chartloom.wiring.doors import open_doors
    from chartloom.wiring.housekeeping import housekeeping, retention_of
    from chartloom.wiring.identity_door import domains_of, identity_door
    from chartloom.wiring.metrics import FeedCollector, metrics_rule

    settings = opened.project.settings
    registry = CollectorRegistry()
    registry.register(FeedCollector(opened))
    mappings = opened.load_mappings()
    version = hashlib.sha256(
        "".join(sorted({mapping.fingerprint for _, mapping in mappings.values()})).encode()
    ).hexdigest()
    with open_doors(opened) as doors, contextlib.ExitStack() as stack:
        book = SessionBook(doors.sessions, doors.minter, opened.clock, doors.staff, doors.limits)
        watch = StoreWatch()
        keep = retention_of(settings.retention)
        stack.enter_context(housekeeping(opened.store, keep, also=(book.tidy,), watch=watch))
        domains = domains_of(opened.project)
        stack.enter_context(identity_door(opened, doors, domains))
        app = create_app(
            opened.store,
            doors,
            ProjectInfo(settings.site.name, version, opened.project.all_feeds, settings.site.zone),
            opened.clock,
            mappings,
            opened.guard.namespace,
            console_token(opened.project),
            earlier_mapping=earlier_mapping,
            hosts=console_hosts(opened.project),
            registry=registry,
            metrics=metrics_rule(settings.console),
            watch=watch,
            domains=domains,
        )
        ConsoleServer(opened.project, app).run()
