"""The key-encryption key of a site, from ``[keys]``; never made anew over what needs the old."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError, StoreDefect
from chartloom.domain.ports import Clock
from chartloom.engines.postgres import PostgresStore
from chartloom.guard.https import HttpsOrigin
from chartloom.guard.keys import (
    AppRole,
    AwsKms,
    EnvironmentKek,
    FileKek,
    Kek,
    RootedKek,
    RootKey,
    VaultTransit,
    credentials_from,
)
from chartloom.guard.keys.files import read
from chartloom.project import Project

_SUFFIXES = ("*.key", "*.wrapped")


def use_kek(project: Project, store: PostgresStore, clock: Clock, *, keeping: bool = False) -> None:
    """Lets the store's guard use subject keys, if the site has a key-encryption key by now.

    keeping: to rotate and destroy. Raises ``ConfigurationError`` if the store has keys and what
    wraps them is gone.
    """
    if _is_there(project):
        store.use_subject_keys(_kek(project, clock, create=False), keeping=keeping)
    elif _wrapped_count(store):
        raise ConfigurationError(
            "The key-encryption key is gone, and there are keys that it wraps.",
            where=str(kek_folder(project)),
            cure="Put its copy back. No new one was made: it would open nothing of what is kept.",
        )


#: SQLSTATEs of a store of before: no such table, no such function.
_NOT_MADE_YET: Final = ("42P01", "42883")


def make_kek(project: Project, store: PostgresStore, clock: Clock) -> None:
    """The same after the store was migrated, and makes the key for a site that has none yet."""
    use_kek(project, store, clock)
    if store.guard.broker is None:
        store.use_subject_keys(_kek(project, clock, create=True))


def kek_folder(project: Project) -> Path:
    """Where generations lie."""
    named = project.settings.keys.kek_folder
    return (project.folder / named).resolve() if named else project.key_dir / "kek"


def _is_there(project: Project) -> bool:
    if project.settings.keys.kek == "environment":
        return bool(os.environ.get(project.settings.keys.kek_env))
    folder = kek_folder(project)
    return any(True for suffix in _SUFFIXES for _ in folder.glob(suffix))


def _wrapped_count(store: PostgresStore) -> int:
    keys = store.subject_keys(keeping=True)
    try:
        return sum(keys.count_by_generation().values())
    except ConfigurationError:
        return 0  # no store yet, or one of before: migrating makes its roles
    except StoreDefect as fault:
        if fault.code not in _NOT_MADE_YET:
            raise
        return 0
    finally:
        keys.close()


def _kek(project: Project, clock: Clock, *, create: bool) -> Kek:
    settings = project.settings.keys
    if settings.kek == "environment":
        return EnvironmentKek(os.environ, settings.kek_env)
    if settings.kek == "file":
        return FileKek(kek_folder(project), create=create)
    root = _aws(project, clock) if settings.kek == "aws-kms" else _vault(project, clock)
    return RootedKek(root, kek_folder(project), create=create)


def _aws(project: Project, clock: Clock) -> RootKey:
    settings = project.settings.keys
    if not settings.kms_key or not settings.kms_region:
        raise ConfigurationError(
            "The key in AWS KMS is not named.",
            where="chartloom.toml [keys]",
            cure="Set kms_key and kms_region.",
        )
    origin = _origin(project, settings.kms_endpoint) if settings.kms_endpoint else None
    return AwsKms(
        settings.kms_key, settings.kms_region, lambda: credentials_from(os.environ), clock, origin
    )


def _vault(project: Project, clock: Clock) -> RootKey:
    settings = project.settings.keys
    if not settings.vault_url:
        raise ConfigurationError(
            "Vault's address is missing.", where="chartloom.toml [keys]", cure="Set vault_url."
        )
    origin = _origin(project, settings.vault_url)
    where = {"mount": settings.vault_mount, "namespace": settings.vault_namespace}
    if settings.vault_token_file:
        path = project.folder / settings.vault_token_file
        return VaultTransit(
            origin, settings.vault_key, lambda: read(path).decode().strip(), clock, **where
        )
    role = settings.vault_role_env
    names = (role, role.replace("ROLE", "SECRET"))
    values = [os.environ.get(name, "") for name in names]
    if not all(values):
        raise ConfigurationError(
            f"The environment variables {names[0]} and {names[1]} are not both set.",
            where="chartloom.toml [keys]",
            cure="Set them to the AppRole's ids, or name a vault_token_file.",
        )
    return VaultTransit(origin, settings.vault_key, AppRole(*values), clock, **where)


def _origin(project: Project, url: str) -> HttpsOrigin:
    """The site's own settings name it, so it may be in the hospital's network."""
    ca = project.settings.keys.service_ca
    return HttpsOrigin(url, ca=project.folder / ca if ca else None, allow_private=True)
