"""What the mapping tables say, as typed values: the engine's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table row stands, for error messages."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row reads: ``PID-5``, ``PID-5[1]``, ``PID-5.1``, ``XPN-1.2`` or ``@encounter``.

    In a datatype table the numbers are component and subcomponent, kept in ``field`` and ``comp``.
    rep 0: every repetition. comp 0: the whole field. last: end of a range (ignore rows only).
    """

    segment: str
    field: int = 0
    rep: int = 0
    comp: int = 0
    sub: int = 0
    last: int = 0
    role: str = ""

    @property
    def text(self) -> str:
        """As it is written in the table."""
        if self.role:
            return f"@{self.role}"
        rep = f"[{self.rep}]" if self.rep else ""
        comp = f".{self.comp}" if self.comp else ""
        sub = f".{self.sub}" if self.sub else ""
        last = f"..{self.last}" if self.last else ""
        return f"{self.segment}-{self.field}{last}{rep}{comp}{sub}"


@dataclass(frozen=True, slots=True)
class Token:
    """One step of a target path: ``name``, ``name[]``, ``name[label]`` or ``name[label*]``."""

    name: str
    many: bool = False  #: the element is a list
    label: str = ""  #: names the one item that several rows fill
    each: bool = False  #: one labelled item per repetition of the source

    @property
    def text(self) -> str:
        """As it is written in the table."""
        return self.name + (f"[{self.label}{'*' if self.each else ''}]" if self.many else "")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: ``source`` is present, absent, one of ``values``, or none of them."""

    source: Source
    kind: str  #: present, absent, in, not-in
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a segment or datatype table: one mapping rule, or one deliberate omission."""

    rule: str
    place: Place
    source: Source | None = None
    target: tuple[Token, ...] = ()
    via: str = ""
    value: str = ""
    concept: str = ""
    conditions: tuple[Condition, ...] = ()
    weak: bool = False
    ignore: str = ""

    @property
    def path(self) -> str:
        """The target as written."""
        return ".".join(t.text for t in self.target)


@dataclass(frozen=True, slots=True)
class Table:
    """A segment table (``PID.Patient``) or a datatype table (``XPN.HumanName``)."""

    name: str
    file: str
    rows: tuple[Row, ...]

    @property
    def subject(self) -> str:
        """What it reads: ``PID`` or ``XPN``."""
        return self.name.split(".", 1)[0]

    @property
    def resource(self) -> str:
        """What it fills: ``Patient`` (a variant's suffix ``Patient-x`` is dropped)."""
        return self.name.split(".", 1)[1].split("-", 1)[0]


@dataclass(frozen=True, slots=True)
class Concept:
    """One row of a concept map. ``code`` "" means: known, and without an equivalent."""

    system: str
    code: str
    display: str = ""


@dataclass(slots=True)
class ConceptMap:
    """Source codes to target concepts. ``*`` in the table answers for codes that are not in it.

    source_system: the URI of the source's code system, used to keep the original code.
    usual: per target code the first source code of the table; the original of others is kept.
    open: codes that are not in the table are kept as they came, without an Issue.
    """

    name: str
    source_system: str
    concepts: dict[str, Concept]
    other: Concept | None = None
    open: bool = False
    usual: dict[str, str] = field(default_factory=dict)

    def find(self, code: str) -> Concept | None:
        """The concept for a source code; letter case matters only where the table makes it so."""
        return self.concepts.get(code) or self.concepts.get(code.upper())


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a business key: the first source with a value, a role's id, or a count."""

    sources: tuple[Source, ...] = ()
    role: str = ""
    occurrence: bool = False
    constant: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ResourceDef:
    """One resource that a group yields. ``maps`` are segment table names, applied in order.

    keys: alternative business keys, the first complete one wins. needs: sources of which one must
    have a value. unless: group names; if one of them occurs inside this group there is none.
    finish: named functions that look at the whole resource at the end.
    own: segments that count only in the group itself, not in an enclosing one. splits: what tells
    two resources apart that a message gives one number; the first that has a value.
    """

    role: str
    group: str
    type: str
    maps: tuple[str, ...]
    keys: tuple[tuple[KeyPart, ...], ...]
    needs: tuple[Source, ...] = ()
    unless: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    place: Place = Place("", 0)
    own: tuple[str, ...] = ()
    splits: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupDef:
    """A group of segments that belong together. A new one begins with a segment of ``opens``."""

    name: str
    within: str = ""
    opens: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    place: Place = Place("", 0)


@dataclass(frozen=True, slots=True)
class MessageDef:
    """How messages of some types are read: groups, resources, and what the event means.

    links: what is said of whole records (``merge``, ``link``, ``unlink``). moves: the group whose
    MRG names the visit that moved; its resources are about the record that had the visit.
    """

    name: str
    types: tuple[str, ...]
    groups: dict[str, GroupDef]
    resources: tuple[ResourceDef, ...]
    links: str = ""
    place: Place = Place("", 0)
    moves: str = ""


@dataclass(slots=True)
class Tables:
    """Everything in a mapping, read and checked, not yet compiled."""

    segments: dict[str, Table] = field(default_factory=dict)
    datatypes: dict[str, Table] = field(default_factory=dict)
    concepts: dict[str, ConceptMap] = field(default_factory=dict)
    messages: dict[str, MessageDef] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    systems: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
