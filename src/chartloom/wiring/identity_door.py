"""The door for PIX and PDQ queries by HL7 v2, beside the console: a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Purpose
from chartloom.guard.ca import DenyList
from chartloom.project import Project
from chartloom.project.clients import load_clients
from chartloom.project.model_doors import IdentityDoorSettings
from chartloom.project.tls import (
    INTERNAL,
    OFF,
    certificate_files,
    client_authority,
    deny_file,
    leaf_file,
)
from chartloom.serve import Doors, Rate
from chartloom.serve.access import Handles
from chartloom.serve.client_registry import ClientRegistry, Domain, Domains, V2Door
from chartloom.serve.client_registry.v2 import DoorRules
from chartloom.serve.limits import Door, Limiter
from chartloom.sources.context import control_ids
from chartloom.sources.mllp.questions import QuestionDoor, QuestionLimits
from chartloom.sources.options import is_loopback
from chartloom.sources.tls import Renewing, server_context
from chartloom.wiring.console_token import console_token
from chartloom.wiring.site import OpenSite

_START_S: Final = 10.0


def domains_of(project: Project) -> Domains:
    """The assigning authorities that the doors answer for."""
    named = project.settings.doors.identity.domains
    return Domains([Domain(d.name, d.oid, d.uri) for d in named])


@contextlib.contextmanager
def identity_door(
    opened: OpenSite, doors: Doors, domains: Domains
) -> Iterator[QuestionDoor | None]:
    """The door, listening for as long as the ``with`` lasts; ``None`` if the site has it shut.

    Raises ``ConfigurationError``.
    """
    project, settings = opened.project, opened.project.settings.doors.identity
    if not settings.port:
        yield None
        return
    files = _certificate(project, settings)
    if files is None and not is_loopback(settings.host):
        raise ConfigurationError(
            "The door for identity queries would be open to the network without TLS.",
            where="chartloom.toml",
            cure="Name a certificate in [doors.identity] or [tls], or listen on 127.0.0.1.",
        )
    limiter = Limiter({Door.IDENTITY: doors.rates.get(Door.IDENTITY, Rate(600))})
    next_control_id = control_ids(opened.clock.now_us())
    lock = threading.Lock()

    def numbered() -> str:
        with lock:
            return next_control_id()

    answering = V2Door(
        ClientRegistry(opened.store, doors.authority, domains),
        load_clients(project),
        Handles(console_token(project), opened.clock, doors.used),
        opened.clock,
        numbered,
        DoorRules(files is None, Purpose(settings.purpose), settings.charset),
        denied=DenyList(deny_file(project.settings, project.folder)),
        take=lambda client: limiter.take(Door.IDENTITY, client) is None,
    )
    tls, renewing = _tls(project, settings, files)
    door = QuestionDoor(
        answering,
        settings.host,
        settings.port,
        tls=tls,
        renewing=renewing,
        limits=QuestionLimits(connections_max=settings.connections_max),
    )
    with listening(door):
        yield door


def _certificate(project: Project, settings: IdentityDoorSettings) -> tuple[Path, Path] | None:
    """Certificate and key; ``None`` for no TLS."""
    if settings.tls_cert == OFF:
        return None
    if settings.tls_cert == INTERNAL:
        leaf = leaf_file(project.settings, project.folder)
        return leaf, leaf
    if settings.tls_cert:
        key = settings.tls_key or settings.tls_cert
        return project.folder / settings.tls_cert, project.folder / key
    return certificate_files(project.settings, project.folder)


def _tls(
    project: Project, settings: IdentityDoorSettings, files: tuple[Path, Path] | None
) -> tuple[ssl.SSLContext | None, Renewing | None]:
    if files is None:
        return None, None
    named = settings.tls_client_ca or project.settings.tls.client_ca
    client_ca = client_authority(project.settings, project.folder, named)
    if client_ca is None:
        raise ConfigurationError(
            "The door for identity queries cannot tell who asks.",
            where="chartloom.toml",
            cure="Name the authority of clients' certificates: tls_client_ca in [doors.identity].",
        )
    context = server_context(*files, client_ca)
    return context, Renewing(context, *files)


@contextlib.contextmanager
def listening(door: QuestionDoor) -> Iterator[None]:
    """Runs a door in a thread; raises what kept it from listening."""
    started: Future[asyncio.AbstractEventLoop] = Future()
    stop = asyncio.Event()

    async def live() -> None:
        try:
            await door.start()
        except ConfigurationError as error:
            started.set_exception(error)
            return
        started.set_result(asyncio.get_running_loop())
        await stop.wait()
        await door.stop()

    thread = threading.Thread(target=asyncio.run, args=(live(),), name="identity-door", daemon=True)
    thread.start()
    loop = started.result(_START_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_START_S)
