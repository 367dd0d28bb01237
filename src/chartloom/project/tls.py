"""``[tls]`` of a site: where the files are, and what feeds take from it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chartloom.domain.feed import Feed
from chartloom.project.model import Settings

INTERNAL = "internal"
OFF = "off"
SERVER = "server"


def authority_folder(settings: Settings, folder: Path) -> Path:
    """Of the internal authority: its key, its certificate, the deny list, ``leaves/``."""
    named = settings.tls.authority
    return folder / named if named else folder / settings.store.data / "ca"


def leaf_file(settings: Settings, folder: Path, name: str = SERVER) -> Path:
    """Key, leaf and authority of one name, as the internal authority issued them."""
    return authority_folder(settings, folder) / "leaves" / f"{name}.pem"


def deny_file(settings: Settings, folder: Path) -> Path:
    """The list of leaves that must not be taken any more."""
    return authority_folder(settings, folder) / "denied"


def certificate_files(settings: Settings, folder: Path) -> tuple[Path, Path] | None:
    """The site's certificate and key; ``None`` if ``[tls]`` names none."""
    tls = settings.tls
    if not tls.certificate:
        return None
    if tls.certificate == INTERNAL:
        leaf = leaf_file(settings, folder)
        return leaf, leaf
    return folder / tls.certificate, folder / (tls.key or tls.certificate)


def internal_authority(settings: Settings, folder: Path) -> Path | None:
    """The internal authority's certificate, if the site's own certificate is of it."""
    if settings.tls.certificate != INTERNAL:
        return None
    return authority_folder(settings, folder) / "ca.pem"


def client_authority(settings: Settings, folder: Path, named: str) -> Path | None:
    """The file of an authority of clients; ``None`` if none is named."""
    if named == INTERNAL:
        return authority_folder(settings, folder) / "ca.pem"
    return folder / named if named else None


def with_tls(feed: Feed, settings: Settings, folder: Path) -> Feed:
    """A listening feed with the paths that ``[tls]`` and the word ``internal`` stand for."""
    if feed.source == "files":
        return feed
    options = dict(feed.options)
    own = options.get("tls_cert", "")
    if own == OFF:
        options.pop("tls_cert")
    elif own == INTERNAL:
        options["tls_cert"] = str(leaf_file(settings, folder))
    elif not own and (files := certificate_files(settings, folder)):
        options["tls_cert"], options["tls_key"] = map(str, files)
    if options.get("tls_client_ca") == INTERNAL:
        ca = client_authority(settings, folder, INTERNAL)
        options["tls_client_ca"] = str(ca)
    return msgspec.structs.replace(feed, options=options)
