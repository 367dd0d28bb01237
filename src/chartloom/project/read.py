"""Reading a site folder: every problem is a :class:`Finding` with file, line, key and cure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.identity import STEWARD
from chartloom.domain.message import Format
from chartloom.formats.tables import line_of
from chartloom.project.feed_model import FeedSettings
from chartloom.project.model import Settings
from chartloom.project.tls import with_tls

SETTINGS_FILE = "chartloom.toml"
BUILTIN_MAPPINGS = ("hl7v2", "fhir")

_M = TypeVar("_M", bound=BaseModel)

_CURES = {
    "extra_forbidden": "Remove the key, or correct its spelling (known here: {known}).",
    "missing": "Add the key.",
    "literal_error": "Use one of the values named.",
}


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a site folder, and what to do about it."""

    file: str  #: relative to the site folder
    line: int  #: 1-based; 0 if the file as a whole is meant
    key: str
    what: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key + ': ' if self.key else ''}{self.what} {self.cure}".rstrip()


class MappingSource(msgspec.Struct, frozen=True):
    """A mapping of the site: a built-in base and the overlay files in ``mappings/<name>/``."""

    name: str
    base: str
    overlays: dict[str, bytes]


class Project(msgspec.Struct, frozen=True):
    """A site folder, read whole and typed."""

    folder: Path
    settings: Settings
    feeds: tuple[Feed, ...]
    mappings: dict[str, MappingSource]

    @property
    def all_feeds(self) -> tuple[Feed, ...]:
        """The configured feeds, and those that every site has."""
        return (*self.feeds, STEWARD)

    @property
    def data_dir(self) -> Path:
        """Where the embedded store, logs and run files live."""
        return (self.folder / self.settings.store.data).resolve()

    @property
    def key_dir(self) -> Path:
        """Where the key files live."""
        named = self.settings.keys.folder
        return (self.folder / named).resolve() if named else self.data_dir / "keys"


def _findings(
    file: str, text: str, model: type[BaseModel], error: ValidationError
) -> list[Finding]:
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        location = tuple(problem["loc"])
        cure = _CURES.get(problem["type"], "Correct the value.").format(
            known=", ".join(sorted(_known_keys(model, location[:-1])))
        )
        message = problem["msg"].removeprefix("Value error, ")
        found.append(
            Finding(
                file,
                line_of(text, location),
                ".".join(str(p) for p in location),
                message.rstrip(".") + ".",
                cure,
            )
        )
    return found


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return list(model.model_fields)


def _read(folder: Path, path: Path, model: type[_M], findings: list[Finding]) -> _M | None:
    name = path.relative_to(folder).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
        return model.model_validate(tomllib.loads(text))
    except FileNotFoundError:
        findings.append(
            Finding(name, 0, "", "The file is missing.", "Run `chartloom init` to make a site.")
        )
    except UnicodeDecodeError as e:
        line = path.read_bytes()[: e.start].count(b"\n") + 1
        findings.append(Finding(name, line, "", "The file is not UTF-8.", "Save it as UTF-8."))
    except tomllib.TOMLDecodeError as e:
        at = re.search(r"line (\d+)", str(e))
        line = int(at.group(1)) if at else 0
        what = f"This is not TOML: {str(e).split(' (at')[0].rstrip('.')}."
        findings.append(Finding(name, line, "", what, "Correct the line."))
    except ValidationError as e:
        findings.extend(_findings(name, text, model, e))
    return None


def read_project(folder: Path) -> tuple[Project | None, list[Finding]]:
    """Reads a site folder. The project is ``None`` if the findings make it unusable."""
    findings: list[Finding] = []
    folder = folder.resolve()
    settings = _read(folder, folder / SETTINGS_FILE, Settings, findings)
    mappings = _read_mappings(folder, findings)
    feeds: list[Feed] = []
    for path in sorted((folder / "feeds").glob("*.toml")):
        read = _read(folder, path, FeedSettings, findings)
        if read is not None:
            name = path.relative_to(folder).as_posix()
            feed = _feed(path.stem, read, settings.site.zone if settings else "UTC")
            if settings is not None:
                feed = with_tls(feed, settings, folder)
            if feed.name == STEWARD.name:
                what = f"The name {feed.name!r} is that of the feed of people's decisions."
                findings.append(Finding(name, 0, "", what, "Give the file another name."))
            if feed.mapping not in mappings:
                line = line_of(path.read_text(encoding="utf-8"), ("mapping",))
                cure = (
                    f"Use one of: {', '.join(sorted(mappings))}; or add mappings/{feed.mapping}/."
                )
                findings.append(
                    Finding(name, line, "mapping", f"There is no mapping {feed.mapping!r}.", cure)
                )
            feeds.append(feed)
    if settings is None or findings:
        return None, sorted(findings)
    return Project(folder, settings, tuple(feeds), mappings), []


def _feed(name: str, read: FeedSettings, site_zone: str) -> Feed:
    return Feed(
        name=name,
        department=read.department,
        owner=read.owner,
        source=read.source,
        format=Format(read.format),
        mapping=read.mapping or read.format,
        namespace=read.namespace,
        zone=read.zone or site_zone,
        acknowledge=read.acknowledge,
        freshness_max_s=read.freshness.max_s,
        charset=read.charset,
        limits=FeedLimits(**read.limits.model_dump()),
        options=dict(read.options),
        sensitive=read.sensitive,
    )


class _Manifest(BaseModel):
    model_config = {"extra": "forbid"}

    base: str = "hl7v2"
    owner: str
    description: str = ""


def _read_mappings(folder: Path, findings: list[Finding]) -> dict[str, MappingSource]:
    found = {name: MappingSource(name, name, {}) for name in BUILTIN_MAPPINGS}
    for manifest_path in sorted((folder / "mappings").glob("*/mapping.toml")):
        root = manifest_path.parent
        manifest = _read(folder, manifest_path, _Manifest, findings)
        if manifest is None:
            continue
        if manifest.base not in BUILTIN_MAPPINGS:
            file = manifest_path.relative_to(folder).as_posix()
            line = line_of(manifest_path.read_text(encoding="utf-8"), ("base",))
            cure = f"Use one of: {', '.join(BUILTIN_MAPPINGS)}."
            what = f"There is no built-in mapping {manifest.base!r}."
            findings.append(Finding(file, line, "base", what, cure))
            continue
        overlays = {
            p.relative_to(root).as_posix(): p.read_bytes()
            for p in sorted(root.rglob("*"))
            if p.is_file() and p.suffix in {".csv", ".toml"} and p != manifest_path
        }
        found[root.name] = MappingSource(root.name, manifest.base, overlays)
    return found


def load_project(folder: Path) -> Project:
    """Like :func:`read_project`; a bad folder raises ``ConfigurationError`` with every finding."""
    project, findings = read_project(folder)
    if project is None:
        raise ConfigurationError(
            f"{len(findings)} thing(s) to mend in the site folder:\n"
            + "\n".join(f"  {f}" for f in findings),
            where=str(folder),
            cure="",
        )
    return project


def feeds_by_name(project: Project) -> Mapping[str, Feed]:
    """The feeds of a project by their names."""
    return {f.name: f for f in project.feeds}
