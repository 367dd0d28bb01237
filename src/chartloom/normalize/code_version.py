"""Which code derives: a part of every mapping's fingerprint, since tables alone decide nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

import chartloom

#: The rooms that ``derive`` runs in.
ROOMS = ("domain", "formats", "normalize")


@lru_cache(maxsize=1)
def code_version() -> str:
    """The release, and SHA-256 over the sources of what derives.

    Where a release is installed without sources, its number has to do.
    """
    digest = hashlib.sha256()
    for room in ROOMS:
        for path, content in sorted(sources(resources.files(f"chartloom.{room}"), room)):
            digest.update(f"{path}\0{len(content)}\0".encode())
            digest.update(content)
    return f"{chartloom.__version__}+{digest.hexdigest()}"


def sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of the Python files of a folder and those below it."""
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from sources(entry, path)
        elif entry.name.endswith(".py"):
            yield path, entry.read_bytes()


def fingerprint(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the code that reads the files, paths and contents: mappings that derive the
    same have equal fingerprints, and a change of code is another version."""
    digest = hashlib.sha256(code_version().encode())
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()
