"""Reads a whole mapping (the built-in files plus a site's overlay) into checked tables."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from chartloom.domain.resource import LinkKind
from chartloom.normalize.model import (
    Concept,
    ConceptMap,
    GroupDef,
    KeyPart,
    MessageDef,
    Place,
    ResourceDef,
    Source,
    Table,
    Tables,
)
from chartloom.normalize.read_rows import bad, parse_source, read_csv, read_table
from chartloom.normalize.source_writer import EXTENSIONS

_CONCEPT_COLUMNS = frozenset({"source", "system", "code", "display", "comment"})
_PAIR_COLUMNS = frozenset({"name", "value", "comment"})
_FOLDERS = ("segments", "datatypes", "concepts", "messages")


#: Extensions of ours, for what FHIR has no element and HL7 no extension.
LOCAL_EXTENSION = "urn:chartloom:extension:"


def read_mapping(files: Mapping[str, bytes], overlay: Mapping[str, bytes]) -> Tables:
    """All tables. Overlay files replace rows of the same rule or code, and add new ones."""
    tables = Tables()
    for source, own in ((files, False), (overlay, True)):
        for path in sorted(source):
            _read_file(tables, path, source[path], own)
    _read_messages(tables, files, overlay)
    for concept in tables.concepts.values():
        _finish_concept(concept)
    for table in (*tables.segments.values(), *tables.datatypes.values()):
        _check_extensions(table, tables.extensions)
    return tables


def _check_extensions(table: Table, extensions: dict[str, str]) -> None:
    for row in table.rows:
        for token in row.target:
            whole = token is row.target[-1] and not token.label  # the map yields an Extension
            if token.name in EXTENSIONS and not whole and token.label not in extensions:
                raise bad(
                    row.place,
                    f"column 'target': {token.text!r} names no known extension.",
                    "Write extension[name] with a name from extensions.csv, or add it there.",
                )


def _read_file(tables: Tables, path: str, content: bytes, own: bool) -> None:
    folder, _, name = path.rpartition("/")
    stem = name.removesuffix(".csv")
    if name == "README.md" or (path.endswith(".toml") and folder == "messages"):
        return
    if folder in ("segments", "datatypes") and stem != name:
        target = tables.segments if folder == "segments" else tables.datatypes
        target[stem] = read_table(stem, path, content, target.get(stem))
    elif folder == "concepts" and stem != name:
        _read_concepts(tables, stem, path, content)
    elif path in ("extensions.csv", "systems.csv", "units.csv"):
        pairs: dict[str, str] = getattr(tables, stem)
        for line, cells in read_csv(path, content, _PAIR_COLUMNS):
            if not cells.get("name"):
                raise bad(Place(path, line), "column 'name' is empty.", "Fill it.")
            name, value = cells["name"], cells.get("value", "")
            pairs[name] = f"{LOCAL_EXTENSION}{name}" if value == "local" else value
    else:
        raise bad(
            Place(path, 0),
            "this file belongs to no kind of table.",
            f"Put it into one of the folders {', '.join(_FOLDERS)}, with the ending .csv or .toml.",
        )


def _read_concepts(tables: Tables, name: str, path: str, content: bytes) -> None:
    concept = tables.concepts.setdefault(name, ConceptMap(name, "", {}))
    for line, cells in read_csv(path, content, _CONCEPT_COLUMNS):
        source, code = cells.get("source", ""), cells.get("code", "")
        place = Place(path, line)
        if source == "@system":
            concept.source_system = cells.get("system", "")
        elif source == "@open":
            concept.open = True
        elif not source:
            raise bad(place, "column 'source' is empty.", "Write the source's code.")
        elif source == "*":
            concept.other = Concept(cells.get("system", ""), code, cells.get("display", ""))
        else:
            concept.concepts[source] = Concept(
                cells.get("system", ""), code, cells.get("display", "")
            )


def _finish_concept(concept: ConceptMap) -> None:
    for source, target in concept.concepts.items():
        if target.code:
            concept.usual.setdefault(target.code, source)


def _load_toml(path: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise bad(Place(path, 0), f"not valid TOML: {error}.", "Correct the file.") from error


def _read_messages(
    tables: Tables, files: Mapping[str, bytes], overlay: Mapping[str, bytes]
) -> None:
    docs: dict[str, dict[str, Any]] = {}
    for source in (files, overlay):
        for path in sorted(source):
            if path.startswith("messages/") and path.endswith(".toml"):
                name = path[len("messages/") : -len(".toml")]
                docs[name] = _merge(docs.get(name), _load_toml(path, source[path]), path)
    for name, doc in docs.items():
        if "types" in doc:
            definition = _message(name, doc, docs, tables)
            for kind in definition.types:
                tables.messages[kind] = definition


_DOC_KEYS = {"types", "include", "group", "resource", "links", "moves", "comment"}


def _merge(base: dict[str, Any] | None, new: dict[str, Any], path: str) -> dict[str, Any]:
    """A message file over another of the same name: lists are joined, the rest is replaced."""
    if unknown := sorted(set(new) - _DOC_KEYS):
        raise bad(
            Place(path, 0),
            f"unknown key {unknown[0]!r}.",
            f"Known keys: {', '.join(sorted(_DOC_KEYS))}.",
        )
    new["_path"] = path
    if base is None:
        return new
    merged = {**base, **{k: v for k, v in new.items() if k not in ("group", "resource")}}
    merged["types"] = [*base.get("types", ()), *new.get("types", ())]
    merged["include"] = [*base.get("include", ()), *new.get("include", ())]
    merged["group"] = {k: dict(v) for k, v in base.get("group", {}).items()}
    for name, group in new.get("group", {}).items():
        known = merged["group"].setdefault(name, {})
        for key, value in group.items():
            known[key] = [*known.get(key, ()), *value] if isinstance(value, list) else value
    known_resources = [dict(r) for r in base.get("resource", ())]
    resources = list(known_resources)
    for item in new.get("resource", ()):
        same = [
            r
            for r in known_resources
            if r.get("role") == item.get("role") and r["group"] == item.get("group", r["group"])
        ]
        if same:
            for key, value in item.items():
                joined = key in ("maps", "finish")
                same[0][key] = [*same[0].get(key, ()), *value] if joined else value
        else:
            resources.append(item)
    merged["resource"] = resources
    return merged


def _message(
    name: str, doc: dict[str, Any], docs: dict[str, dict[str, Any]], tables: Tables
) -> MessageDef:
    path = doc["_path"]
    place = Place(path, 0)
    merged: dict[str, Any] | None = None
    for part in doc.get("include", ()):
        if part not in docs:
            raise bad(place, f"include: there is no messages/{part}.toml.", "Correct the name.")
        merged = _merge(merged, {k: v for k, v in docs[part].items() if k != "_path"}, path)
    merged = _merge(merged, {k: v for k, v in doc.items() if k != "_path"}, path)
    groups = {k: _group(k, v, place) for k, v in merged.get("group", {}).items()}
    for group in groups.values():
        if group.within and group.within not in groups:
            raise bad(
                place,
                f"group.{group.name}.within: there is no group {group.within!r}.",
                f"Groups: {', '.join(groups)}.",
            )
    roots = [g.name for g in groups.values() if not g.within]
    if len(roots) != 1:
        raise bad(place, f"{len(roots)} groups have no 'within'.", "Exactly one may be the root.")
    resources = tuple(_resource(r, groups, tables, place) for r in merged.get("resource", ()))
    links, moves = merged.get("links", ""), merged.get("moves", "")
    if links and links not in list(LinkKind):
        raise bad(place, f"links: {links!r} is unknown.", f"Use {', '.join(LinkKind)}.")
    if moves and moves not in groups:
        raise bad(place, f"moves: there is no group {moves!r}.", "Correct the name.")
    return MessageDef(name, tuple(doc["types"]), groups, resources, links, place, moves)


def _group(name: str, doc: dict[str, Any], place: Place) -> GroupDef:
    _keys(doc, {"within", "opens", "segments"}, f"group.{name}", place)
    return GroupDef(
        name,
        doc.get("within", ""),
        tuple(doc.get("opens", ())),
        tuple(dict.fromkeys(doc.get("segments", ()))),
        place,
    )


def _keys(doc: dict[str, Any], known: set[str], at: str, place: Place) -> None:
    if unknown := sorted(set(doc) - known):
        raise bad(
            place, f"{at}: unknown key {unknown[0]!r}.", f"Known keys: {', '.join(sorted(known))}."
        )


def _resource(
    doc: dict[str, Any], groups: dict[str, GroupDef], tables: Tables, place: Place
) -> ResourceDef:
    role = doc.get("role", "")
    at = f"resource {role!r}"
    known = {"role", "group", "type", "maps", "keys", "needs", "unless", "finish", "own", "splits"}
    _keys(doc, known, at, place)
    for key in ("role", "group", "type", "maps"):
        if not doc.get(key):
            raise bad(place, f"{at}: key {key!r} is missing.", "Add it.")
    if doc["group"] not in groups:
        raise bad(place, f"{at}: there is no group {doc['group']!r}.", "Correct the name.")
    for name in doc["maps"]:
        table = tables.segments.get(name)
        if table is None:
            raise bad(
                place,
                f"{at}: there is no table segments/{name}.csv.",
                "Write the table, or correct the name.",
            )
        if table.resource != doc["type"]:
            raise bad(
                place,
                f"{at}: segments/{name}.csv does not fill a {doc['type']}.",
                f"Name a table that ends in .{doc['type']}.csv.",
            )
    for name in doc.get("unless", ()):
        if name not in groups:
            raise bad(place, f"{at}: unless: there is no group {name!r}.", "Correct the name.")
    return ResourceDef(
        role,
        doc["group"],
        doc["type"],
        tuple(dict.fromkeys(doc["maps"])),
        tuple(tuple(_key_part(p, place) for p in key) for key in doc.get("keys", ())),
        tuple(parse_source(n, place) for n in doc.get("needs", ())),
        tuple(doc.get("unless", ())),
        tuple(dict.fromkeys(doc.get("finish", ()))),
        place,
        tuple(doc.get("own", ())),
        tuple(parse_source(n, place) for n in doc.get("splits", ())),
    )


def _key_part(text: str, place: Place) -> KeyPart:
    """``OBR-3.1|ORC-3.1`` (first with a value), ``OBX-4?`` (may be empty), ``@patient``, ``#``."""
    if text == "#":
        return KeyPart(occurrence=True)
    if text.startswith("="):
        return KeyPart(constant=text[1:])
    optional = text.endswith("?")
    text = text.removesuffix("?")
    if text.startswith("@"):
        return KeyPart(role=text[1:], optional=optional)
    sources: list[Source] = [parse_source(t, place) for t in text.split("|")]
    return KeyPart(tuple(sources), optional=optional)
