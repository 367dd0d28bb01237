"""Opening a site: keys, store, mappings and clock, put together for whoever needs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore, has_store
from chartloom.guard import Guard, SystemClock
from chartloom.project import Project
from chartloom.project.identity import load_matching
from chartloom.wiring.keys import use_kek

if TYPE_CHECKING:
    from chartloom.normalize import Mapping


class OpenSite:
    """A project with its guard and store."""

    def __init__(
        self, project: Project, guard: Guard, store: PostgresStore, clock: SystemClock
    ) -> None:
        self.project, self.guard, self.store, self.clock = project, guard, store, clock

    def grant(self, *, actor: str = "", ttl_s: int = 900) -> Grant:
        """A grant for the local operator: whoever can read the key files of this site."""
        return self.guard.mint(
            actor or f"operator:{os.getuid()}", Purpose.OPERATIONS, EVERYONE, ("*",), ttl_s
        )

    def load_mappings(self) -> dict[str, tuple[Feed, Mapping]]:
        """Each feed, also the internal ones, with its compiled mapping; equal mappings are
        compiled once."""
        from chartloom.normalize import ResolvingMapping, load_mapping
        from chartloom.project.directory import load_site_directory
        from chartloom.project.reconciliation import load_site_formulary
        from chartloom.project.sensitivity import load_labeller

        labeller = load_labeller(self.project)
        formulary, _ = load_site_formulary(self.project)
        directory = load_site_directory(self.project)
        compiled: dict[str, Mapping] = {}
        result = {}
        for feed in self.project.all_feeds:
            if feed.internal:
                compiled[feed.mapping] = load_mapping(feed.mapping)
            elif feed.mapping not in compiled:
                source = self.project.mappings[feed.mapping]
                mapping = load_mapping(source.base, source.overlays, labeller)
                compiled[feed.mapping] = ResolvingMapping(mapping, directory, formulary)
            result[feed.name] = (feed, compiled[feed.mapping])
        return result

    def keep_directory(self) -> None:
        """Keeps the tables of the directory as they are now, for its history."""
        from chartloom.project.directory import site_tables
        from chartloom.registry.directory import load_tables

        if files := site_tables(self.project):
            self.store.save_directory(load_tables(files).fingerprint, files)


def dsn_of(project: Project) -> str:
    """Where the store is: the DSN that ``[store] dsn_env`` names, or the embedded server's.

    Raises ``ConfigurationError`` if the variable is not set.
    """
    variable = project.settings.store.dsn_env
    if not variable:
        return EmbeddedPostgres(project.data_dir / "postgres").dsn
    dsn = os.environ.get(variable, "")
    if not dsn:
        raise ConfigurationError(
            f"The environment variable {variable} is not set.",
            where="chartloom.toml",
            cure="Set it to the DSN of your PostgreSQL, or remove dsn_env to use the embedded one.",
        )
    return dsn


def refuse_lost_keys(project: Project, dsn: str) -> None:
    """Raises ``ConfigurationError`` if there is a store and the key folder is empty or absent."""
    if not (project.key_dir / "site.json").exists() and has_store(dsn):
        raise ConfigurationError(
            "The keys of this site are gone, and there is a store that was made with them.",
            where=str(project.key_dir),
            cure="Put the copy of the key folder back. No new keys were made: they would open "
            "nothing of what is kept. To begin anew, move the data folder away as well.",
        )


@contextlib.contextmanager
def open_site(project: Project, *, keeping: bool = False) -> Iterator[OpenSite]:
    """Opens the store of a site that is up; raises ``StoreUnavailable`` if it is not, and
    ``ConfigurationError`` if its keys are gone: new ones would open nothing that is kept.

    keeping: to rotate and destroy keys."""
    clock, dsn = SystemClock(), dsn_of(project)
    refuse_lost_keys(project, dsn)
    guard = Guard.open(project.key_dir, clock)
    store = PostgresStore(dsn, guard, clock, parameters=load_matching(project))
    try:
        use_kek(project, store, clock, keeping=keeping)
        yield OpenSite(project, guard, store, clock)
    finally:
        store.close()
