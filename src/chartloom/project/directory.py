"""People and places of a site: ``registry/directory/*.csv``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

from chartloom.domain.errors import ConfigurationError
from chartloom.project.read import Finding, Project
from chartloom.registry.directory import Directory, Tables, Word, directory_of, load_tables

DIRECTORY_FOLDER: Final = "registry/directory"
#: Of one table. The file of NPPES has 10 GB: ``chartloom directory take`` takes what is needed.
_BYTES_MAX: Final = 128 * 1024 * 1024

_T = TypeVar("_T")


def site_tables(project: Project) -> dict[str, bytes]:
    """The tables of a site: name -> content. Raises ``ConfigurationError`` for too large ones."""
    found = {}
    for path in _paths(project):
        if path.stat().st_size > _BYTES_MAX:
            raise ConfigurationError(
                f"The table has more than {_BYTES_MAX // 1024 // 1024} MB.",
                where=f"{DIRECTORY_FOLDER}/{path.name}",
                cure="Of the register of NPIs take the rows of those whom your tables name: "
                "`chartloom directory take FILE --out registry/directory/nppes.csv`.",
            )
        found[path.name] = path.read_bytes()
    return found


def load_site_directory(project: Project, words: Iterable[Word] = ()) -> Directory:
    """The directory of a site; empty if it has no tables. Raises ``ConfigurationError``."""
    return directory_of(load_tables(site_tables(project)), words)


def directory_findings(project: Project) -> Iterator[Finding]:
    """What is wrong with them, for ``chartloom check``."""
    try:
        load_site_directory(project)
    except ConfigurationError as error:
        file, _, line = error.where.partition(":")
        number = int(line) if line.isdigit() else 0
        where = file.removeprefix(f"{DIRECTORY_FOLDER}/")
        yield Finding(f"{DIRECTORY_FOLDER}/{where}", number, "", error.what, error.cure)


class Fresh(Generic[_T]):
    """What is made of files of a folder, made again when one of them changed. Thread-safe.

    A mistake in a file that is edited just now leaves what was read before in force.
    """

    def __init__(self, paths: Callable[[], list[Path]], make: Callable[[], _T]) -> None:
        self._paths, self._make = paths, make
        self._lock = Lock()
        self._seen = self._look()
        self._made = make()

    def __call__(self) -> _T:
        """As the files are now."""
        seen = self._look()
        with self._lock:
            if seen != self._seen:
                self._seen = seen
                try:
                    self._made = self._make()
                except ConfigurationError:
                    return self._made
            return self._made

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        stats = [(p.name, p.stat()) for p in self._paths()]
        return tuple((name, s.st_mtime_ns, s.st_size) for name, s in stats)


def fresh_tables(project: Project) -> Fresh[Tables]:
    """The tables of a site as they stand in its folder. Raises ``ConfigurationError`` at first."""
    return Fresh(lambda: _paths(project), lambda: load_tables(site_tables(project)))


def _paths(project: Project) -> list[Path]:
    return [p for p in sorted((project.folder / DIRECTORY_FOLDER).glob("*.csv")) if p.is_file()]
