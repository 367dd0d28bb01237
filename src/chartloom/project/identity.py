"""Who is one person, by the site's own parameters: ``registry/persons/*.json``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.project.model import IdentitySettings
from chartloom.project.read import SETTINGS_FILE, Finding, Project
from chartloom.registry.persons import Parameters, among, default_parameters, load

MATCHING_FOLDER: Final = "registry/persons"


def load_matching(project: Project) -> Parameters:
    """The parameters of the matcher: the site's own, else the built-in ones; with thresholds for
    as many records as the site declares.

    Raises ``ConfigurationError`` for a file that is none, or if there are several: decisions of
    one site are made by one set.
    """
    return among(as_trained(project), project.settings.identity.records)


def as_trained(project: Project) -> Parameters:
    """The same, with the thresholds that stand in the file."""
    found = sorted((project.folder / MATCHING_FOLDER).glob("*.json"))
    if not found:
        return default_parameters()
    where = f"{MATCHING_FOLDER}/{found[-1].name}"
    if len(found) > 1:
        raise ConfigurationError(
            f"There are {len(found)} sets of parameters of the matcher.",
            where=where,
            cure="Keep one; another one takes effect with `chartloom replay`.",
        )
    try:
        return load(found[0].read_bytes(), where)
    except ChartloomError as error:
        raise ConfigurationError(error.what, where=where, cure=error.cure) from None


def matching_findings(project: Project) -> Iterator[Finding]:
    """What is wrong with them, for ``chartloom check``."""
    try:
        load_matching(project)
    except ConfigurationError as error:
        yield Finding(error.where, 0, "", error.what, error.cure)


_TABLE: Final = re.compile(r"^[ \t]*\[identity\][ \t]*(?:#.*)?$", re.MULTILINE)
_NEXT_TABLE: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
_RECORDS: Final = re.compile(r"^([ \t]*records[ \t]*=[ \t]*)[0-9_]+", re.MULTILINE)


def declare_records(folder: Path, records: int) -> None:
    """Writes ``[identity] records`` into the site's settings and leaves all else as it stands.

    Raises ``ConfigurationError`` if the settings would be none any more; then nothing is written.
    """
    try:
        IdentitySettings(records=records)
    except ValidationError as error:
        raise ConfigurationError(
            f"{records} cannot be the number of records.",
            where=f"{folder / SETTINGS_FILE} [identity] records",
            cure=error.errors()[0]["msg"] + ".",
        ) from None
    file = folder / SETTINGS_FILE
    text = file.read_text(encoding="utf-8")
    new = with_records(text, records)
    try:
        read = tomllib.loads(new)["identity"]["records"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        read = None
    if read != records:
        raise ConfigurationError(
            "The settings are written in a way that cannot be changed here.",
            where=str(file),
            cure=f"Write `records = {records}` under `[identity]` yourself.",
        )
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(new, encoding="utf-8")
    os.replace(beside, file)


def with_records(text: str, records: int) -> str:
    """Settings with another number of records."""
    table = _TABLE.search(text)
    if table is None:
        return f"{text.rstrip()}\n\n[identity]\nrecords = {records}\n"
    after = _NEXT_TABLE.search(text, table.end())
    end = after.start() if after else len(text)
    inside, found = _RECORDS.subn(rf"\g<1>{records}", text[table.end() : end], count=1)
    if not found:
        inside = f"\nrecords = {records}{inside}"
    return text[: table.end()] + inside + text[end:]
