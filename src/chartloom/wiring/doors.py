"""The console's doors put together: policies, facts, records, sign-in, and the demo's provider."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock, UsedTokens
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.doors import PostgresGlass, PostgresSessions
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.labelled import PostgresLabels
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.requests import PostgresShreddings, PostgresUses
from chartloom.engines.postgres.used_tokens import PostgresUsedTokens
from chartloom.guard.audit import HeadFile, HeadKeeper, Recorder
from chartloom.guard.authority import Authority
from chartloom.guard.clients import RegisteredClient
from chartloom.guard.https import HttpsOrigin, origin_of
from chartloom.guard.keyfiles import load_or_create
from chartloom.guard.staff import Staff
from chartloom.guard.tokens import (
    AssertionVerifier,
    Client,
    Demands,
    FetchedKeys,
    FileKeys,
    KeySource,
    RelyingParty,
    Secret,
    TokenEndpoint,
    discover,
)
from chartloom.project import Project
from chartloom.project.access import load_policies, windows
from chartloom.project.clients import load_clients
from chartloom.project.directory import fresh_tables
from chartloom.project.model_doors import DoorSettings
from chartloom.project.reconciliation import (
    fresh_formulary,
    load_reconciliation_rules,
    load_site_formulary,
)
from chartloom.serve import (
    DirectoryDoor,
    Door,
    Doors,
    GlassRules,
    IdentityDoor,
    KeyStatus,
    LabelDoor,
    Limits,
    Rate,
    Services,
)
from chartloom.serve.demo_idp import DemoProvider
from chartloom.serve.lists.tables import ListTables
from chartloom.wiring.address import console_address
from chartloom.wiring.heads import HEADS, HeadWatch
from chartloom.wiring.services import access_verifier, site_name, token_issuer
from chartloom.wiring.site import OpenSite
from chartloom.wiring.staff_list import StaffList


@contextlib.contextmanager
def open_doors(opened: OpenSite) -> Iterator[Doors]:
    """The doors of a site that is up; keeps the record and its heads until the end."""
    project, store, guard, clock = opened.project, opened.store, opened.guard, opened.clock
    settings = project.settings
    connector = store.connector(Role.SERVE)
    log = PostgresAuditLog(connector, guard)
    used = PostgresUsedTokens(connector, guard, clock)
    recorder = Recorder(log)
    glass, uses = PostgresGlass(store), PostgresUses(store)
    staff = StaffList(project)
    authority = Authority(
        load_policies(project),
        PostgresFacts(store, staff.patient_numbers),
        glass,
        uses,
        guard,
        recorder,
        clock,
        windows(project),
        observer="serve",
    )
    heads, copies = heads_of(project)
    key = Ed25519PrivateKey.from_private_bytes(load_or_create(project.key_dir).audit)
    watch = HeadWatch(
        HeadKeeper(log, heads, key, clock), heads, log, key.public_key(), clock, copies
    )
    address = console_address(project)
    with contextlib.ExitStack() as stack:
        stack.callback(used.close)
        stack.callback(log.close)
        stack.enter_context(watch.running())
        stack.callback(recorder.close)  # before the last head is signed
        sign_in = _sign_in(project, address, staff, opened, stack)
        yield Doors(
            authority=authority,
            minter=guard,
            sessions=PostgresSessions(store),
            used=used,
            glass=glass,
            uses=uses,
            shreddings=PostgresShreddings(store),
            audit=log,
            staff=staff,
            sign_in=sign_in,
            builtin_provider=settings.sign_in.builtin,
            https=address.startswith("https://"),
            limits=Limits(
                settings.sign_in.idle_minutes * 60,
                settings.sign_in.session_hours * 3600,
                settings.sign_in.fresh_minutes * 60,
            ),
            glass_rules=GlassRules(
                settings.access.glass_hours * 3600, settings.access.glass_repeat_days
            ),
            services=_services(project, clock, used),
            rates=rates_of(settings.doors),
            newest_head=heads.last,
            log_check=watch.last,
            key_status=lambda: _key_status(opened),
            is_destroyed=lambda subject: _is_destroyed(opened, subject),
            identity=IdentityDoor(
                store,
                store,
                lambda: store.parameters,
                overlay_people=settings.identity.overlay_people,
            ),
            lists=_lists(opened),
            directory=directory_door(opened),
            labels=label_door(opened),
        )


def label_door(opened: OpenSite) -> LabelDoor:
    """What is labelled, and where words about it land."""
    return LabelDoor(PostgresLabels(opened.store), opened.store, opened.store)


def directory_door(opened: OpenSite) -> DirectoryDoor:
    """The directory: its tables and the formulary as they stand in the folder of the site."""
    return DirectoryDoor(
        opened.store, opened.store, fresh_tables(opened.project), fresh_formulary(opened.project)
    )


def _lists(opened: OpenSite) -> ListTables:
    """Rules and formulary as they are when the console starts; decisions land in the store."""
    rules = load_reconciliation_rules(opened.project)
    formulary, _ = load_site_formulary(opened.project)
    return ListTables(lambda: rules, lambda: formulary, opened.store)


def heads_of(project: Project) -> tuple[HeadFile, tuple[HeadFile, ...]]:
    """The file of signed heads, and its copy in another place if the site names one."""
    elsewhere = project.settings.audit.heads_copy
    copy = project.folder / elsewhere if elsewhere else None
    return HeadFile(project.data_dir / HEADS, copy), (HeadFile(copy),) if copy else ()


def rates_of(settings: DoorSettings) -> dict[Door, Rate]:
    """What ``[doors]`` says."""
    return {
        Door.SIGN_IN: Rate(settings.sign_ins_per_minute_max),
        Door.TOKEN: Rate(settings.tokens_per_minute_max),
        Door.SEARCH: Rate(settings.searches_per_minute_max),
        Door.GLASS: Rate(settings.glass_per_hour_max, 3600.0),
        Door.API: Rate(settings.api_per_minute_max),
        Door.IDENTITY: Rate(settings.identity.queries_per_minute_max),
    }


def _services(project: Project, clock: Clock, used: UsedTokens) -> Services | None:
    """How the registered services get their tokens; ``None`` if there is no service with keys."""
    registered = load_clients(project)

    def is_of(id: str, certificate: bytes) -> bool:
        found = registered.of_certificate(certificate)
        return found is not None and found.id == id

    clients = {
        c.id: Client(
            c.id,
            keys,
            frozenset(c.scopes),
            certificate_bound=c.certificate_bound,
            owns=partial(is_of, c.id),
        )
        for c in registered
        if (keys := _keys_of(project, c, clock)) is not None
    }
    if not clients:
        return None
    issuer, address = token_issuer(project, clock), console_address(project)
    assertions = AssertionVerifier(clients, f"{address}/token", used, clock)
    return Services(
        TokenEndpoint(assertions, issuer, (site_name(project),)),
        access_verifier(project, clock),
        issuer.key_set(),
    )


def _keys_of(project: Project, client: RegisteredClient, clock: Clock) -> KeySource | None:
    if client.jwks:
        return FileKeys(project.folder / client.jwks)
    if client.jwks_url:
        return FetchedKeys(client.jwks_url, HttpsOrigin(origin_of(client.jwks_url)), clock)
    return None


def _is_destroyed(opened: OpenSite, subject: str) -> bool:
    broker = opened.guard.broker
    return broker is not None and broker.is_destroyed(subject)


def _key_status(opened: OpenSite) -> KeyStatus | None:
    broker = opened.guard.broker
    if broker is None:
        return None
    keys = opened.store.subject_keys(keeping=True)
    try:
        counts, destroyed = keys.count_by_generation(), keys.destroyed_count()
    finally:
        keys.close()
    kek = broker.describe()
    counts = dict.fromkeys(kek.generations, 0) | counts
    return KeyStatus(
        "Every patient has a key of their own (AES-256-GCM), wrapped by the newest generation.",
        tuple(sorted(counts.items(), reverse=True)),
        kek.generation,
        destroyed_count=destroyed,
        kept_in=kek.kind,
    )


def _sign_in(
    project: Project,
    address: str,
    staff: Callable[[], Staff],
    opened: OpenSite,
    stack: contextlib.ExitStack,
) -> Callable[[], RelyingParty] | None:
    settings = project.settings.sign_in
    redirect_uri = f"{address}/callback"
    demands = Demands(tuple(settings.require_acr), tuple(settings.require_amr))
    if settings.builtin:
        issuer = f"http://127.0.0.1:{settings.builtin_port}"
        provider = DemoProvider(issuer, redirect_uri, staff, opened.clock)
        stack.enter_context(_serving(provider, settings.builtin_port))
        connect: Callable[[str], HttpsOrigin] = partial(HttpsOrigin, allow_loopback_http=True)
        auth = Secret(provider.client_secret)
        return _Party(
            issuer, provider.client_id, redirect_uri, auth, connect, opened, ("ES256",),
            demands=demands,
        )  # fmt: skip
    if not settings.issuer:
        return None
    secret = os.environ.get(settings.client_secret_env, "")
    if not secret:
        raise ConfigurationError(
            f"The environment variable {settings.client_secret_env} is not set.",
            where="chartloom.toml",
            cure="Set it to the client secret of this console at the identity provider.",
        )
    connect = partial(HttpsOrigin, allow_private=True)
    return _Party(
        settings.issuer, settings.client_id, redirect_uri, Secret(secret), connect, opened,
        tuple(settings.algorithms), tuple(settings.scopes), tuple(settings.origins), demands,
    )  # fmt: skip


class _Party:
    """The relying party, made when it is first needed: the provider may start after us."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        auth: Secret,
        connect: Callable[[str], HttpsOrigin],
        opened: OpenSite,
        algorithms: tuple[str, ...],
        scopes: tuple[str, ...] = ("openid", "profile"),
        origins: tuple[str, ...] = (),
        demands: Demands = Demands(),  # noqa: B008 - frozen
    ) -> None:
        self._issuer, self._client_id, self._redirect_uri = issuer, client_id, redirect_uri
        self._auth, self._connect, self._clock = auth, connect, opened.clock
        self._algorithms, self._scopes, self._origins = algorithms, scopes, origins
        self._demands = demands
        self._lock = threading.Lock()
        self._made: RelyingParty | None = None

    def __call__(self) -> RelyingParty:
        with self._lock:
            if self._made is None:
                client = self._connect(origin_of(self._issuer))
                provider = discover(self._issuer, client, self._origins)
                keys = FetchedKeys(
                    provider.jwks_uri, self._connect(origin_of(provider.jwks_uri)), self._clock
                )
                self._made = RelyingParty(
                    provider, self._client_id, self._redirect_uri, self._auth, keys, self._connect,
                    self._clock, algorithms=self._algorithms, scopes=self._scopes,
                    demands=self._demands,
                )  # fmt: skip
            return self._made


@contextlib.contextmanager
def _serving(provider: DemoProvider, port: int) -> Iterator[None]:
    """The demo's provider on its own port, in a thread, for as long as the console lives."""
    config = uvicorn.Config(
        provider.app(), host="127.0.0.1", port=port, log_config=None, access_log=False,
        server_header=False, lifespan="off", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="demo-provider", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(5)
