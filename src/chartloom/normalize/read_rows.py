"""Reads segment and datatype tables (CSV) into rows; every mistake names file, line, key, cure."""

from __future__ import annotations

import csv
import io
import re

from chartloom.domain.errors import ConfigurationError
from chartloom.normalize.model import Condition, Place, Row, Source, Table, Token

COLUMNS = frozenset(
    ("rule", "source", "target", "via", "value", "concept", "when", "is", "weak", "ignore")
) | {"comment"}
_SOURCE = re.compile(
    r"([A-Z][A-Z0-9]{1,2})-(\d{1,3})(?:\.\.(\d{1,3}))?(?:\[(\d{1,3})\])?(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?",
)
_TOKEN = re.compile(r"(_?[a-z][A-Za-z0-9]*)(\[x\])?(?:(\[)([A-Za-z0-9_-]*)(\*?)\])?")


def bad(place: Place, what: str, cure: str) -> ConfigurationError:
    """The error for a mistake in a table."""
    return ConfigurationError(what, where=str(place), cure=cure)


def parse_source(text: str, place: Place) -> Source:
    """``PID-5``, ``PID-5[1]``, ``PID-5.1``, ``PV1-20..35`` (a range) or ``@role``."""
    if text.startswith("@") and text[1:].isidentifier():
        return Source("", role=text[1:])
    found = _SOURCE.fullmatch(text)
    if not found or int(found[2]) == 0:
        raise bad(
            place,
            f"column 'source': {text!r} is not a field.",
            "Write it like PID-5, PID-5[1], PID-5.1 or @encounter.",
        )
    name, field, last, rep, comp, sub = found.groups()
    return Source(name, int(field), int(rep or 0), int(comp or 0), int(sub or 0), int(last or 0))


def parse_target(text: str, place: Place) -> tuple[Token, ...]:
    """``name[].family``, ``participant[attending*].individual``, ``value[x]``."""
    tokens = []
    for part in text.split("."):
        found = _TOKEN.fullmatch(part)
        if not found:
            raise bad(
                place,
                f"column 'target': {part!r} is not an element.",
                "Write it like name, name[], name[label] or name[label*].",
            )
        name, choice, bracket, label, star = found.groups()
        if star and not label:
            raise bad(place, f"column 'target': {part!r} needs a label.", "Write name[label*].")
        tokens.append(Token(name + (choice or ""), bool(bracket), label or "", bool(star)))
    return tuple(tokens)


def parse_conditions(when: str, values: str, place: Place) -> tuple[Condition, ...]:
    """Columns ``when`` and ``is``: fields and what they must be, pairs separated by ``;``."""
    if not when and not values:
        return ()
    fields, tests = when.split(";"), values.split(";")
    if len(fields) != len(tests) or not when:
        raise bad(
            place,
            "columns 'when' and 'is' do not pair up.",
            "Give one 'is' for every field in 'when', separated by ';'.",
        )
    return tuple(
        _condition(f.strip(), t.split(), place) for f, t in zip(fields, tests, strict=True)
    )


def _condition(field: str, words: list[str], place: Place) -> Condition:
    source = parse_source(field, place)
    if words == ["present"] or words == ["absent"]:
        return Condition(source, words[0])
    if words[:1] == ["not"] and len(words) > 1:
        return Condition(source, "not-in", frozenset(words[1:]))
    if not words:
        raise bad(
            place, "column 'is' is empty.", "Write present, absent, codes, or 'not' and codes."
        )
    return Condition(source, "in", frozenset(words))


def read_table(name: str, file: str, content: bytes, base: Table | None = None) -> Table:
    """One table; with ``base``, rows of the same rule replace the base's and others are added."""
    subject, _, resource = name.partition(".")
    if not resource:
        raise bad(Place(file, 0), "the file name says no target.", "Name it like PID.Patient.csv.")
    rows = {r.rule: r for r in base.rows} if base else {}
    own: set[str] = set()
    for line, cells in read_csv(file, content, COLUMNS):
        place = Place(file, line)
        row = _row(cells, subject, resource.split("-", 1)[0], place)
        if row.rule in own:
            raise bad(
                place,
                f"column 'rule': {row.rule!r} occurs twice.",
                "Give the second row a rule of its own, such as the first one's with #2.",
            )
        own.add(row.rule)
        rows[row.rule] = row
    return Table(name, file, tuple(rows.values()))


def read_csv(
    file: str, content: bytes, columns: frozenset[str]
) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells) of a CSV with a header; unknown columns and ragged rows are errors."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad(Place(file, 1), "the file is not UTF-8.", "Save it as UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    if unknown := [c for c in header if c not in columns]:
        raise bad(
            Place(file, 1),
            f"unknown column {unknown[0]!r}.",
            f"Known columns: {', '.join(sorted(columns))}.",
        )
    result = []
    for cells in reader:
        if not any(c.strip() for c in cells) or cells[0].startswith("#"):
            continue
        if len(cells) > len(header):
            raise bad(
                Place(file, reader.line_num),
                f"{len(cells)} cells under {len(header)} columns.",
                "Quote cells that hold a comma.",
            )
        result.append(
            (reader.line_num, {k: v.strip() for k, v in zip(header, cells, strict=False)})
        )
    return result


def _row(cells: dict[str, str], subject: str, resource: str, place: Place) -> Row:
    get = cells.get
    source = parse_source(get("source", ""), place) if get("source") else None
    ignore, value, target = get("ignore", ""), get("value", ""), get("target", "")
    if source and not source.role and source.segment != subject and not ignore:
        raise bad(
            place,
            f"column 'source': {source.text} is not in {subject}.",
            f"Put the row into a table named {source.segment}.{resource}.csv.",
        )
    if bool(ignore) == bool(target):
        raise bad(
            place,
            "a row either has a target or says why it is ignored.",
            "Fill exactly one of the columns 'target' and 'ignore'.",
        )
    if not ignore and bool(source) == bool(value):
        raise bad(
            place,
            "a row reads a source or sets a value.",
            "Fill exactly one of the columns 'source' and 'value'.",
        )
    if source and source.last and not ignore:
        raise bad(place, "a range of fields can only be ignored.", "Write one row per field.")
    if get("weak", "") not in ("", "weak"):
        raise bad(place, f"column 'weak': {get('weak')!r}.", "Write weak, or nothing.")
    origin = source.text if source else f"={value}"
    default = f"{origin}>ignored" if ignore else f"{origin}>{resource}.{target}"
    return Row(
        rule=get("rule") or default,
        place=place,
        source=source,
        target=parse_target(target, place) if target else (),
        via=get("via", ""),
        value=value,
        concept=get("concept", ""),
        conditions=parse_conditions(get("when", ""), get("is", ""), place),
        weak=bool(get("weak")),
        ignore=ignore,
    )
