"""What a message says about the world, and what we believe after hearing several messages.

A message yields *contributions*: valid FHIR resources that hold what this one message said. The
*state* of a resource is the merge of all contributions to its id, element by element, each element
stamped with who said it last. Merging is commutative and idempotent, so late, repeated and
out-of-order messages end in the same state as in-order ones.
"""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum
from typing import Any, Final

import msgspec

from chartloom.domain.directory import Unknown
from chartloom.domain.issues import Issue
from chartloom.domain.label_words import LabelWord
from chartloom.domain.labels import BIT, PERSON_MASK, Label

#: A FHIR JSON object. Decimals are ``decimal.Decimal`` so that 1.50 stays 1.50.
FhirJson = dict[str, Any]


class Stamp(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Orders statements about one element: a higher stamp wins.

    strength: 1 for what the source said, 0 for a default that we filled in because FHIR demands the
    element. event_us: when the source made the statement (EVN-2, else MSH-7, else receipt).
    """

    strength: int
    event_us: int
    position: int


class Contribution(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message's statement about one resource.

    weak: top-level elements that are defaults (strength 0), by the name of the element: one that is
    only extended (``_authoredOn``) is ``authoredOn`` here too. cleared: top-level elements that the
    source explicitly set to null (HL7 v2 ``""``); they are absent from ``resource``.
    directory: the resource is about the hospital (Practitioner, Organization, Location), not in a
    patient's compartment. source_patient: "" for directory resources. labels: mask of the
    sensitivity labels that stand in ``resource.meta.security`` (``domain.labels``). words: what a
    person says of its labels; then ``resource`` says nothing else.
    """

    resource: FhirJson
    source_patient: str
    directory: bool = False
    weak: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    labels: int = 0
    words: tuple[LabelWord, ...] = ()

    @property
    def id(self) -> str:
        """The FHIR id."""
        result: str = self.resource["id"]
        return result

    @property
    def type(self) -> str:
        """The FHIR resource type."""
        result: str = self.resource["resourceType"]
        return result


class LinkKind(StrEnum):
    """What a link event says about two source patients."""

    MERGE = "merge"  #: A34, A40: ``prior`` is the same person as ``surviving`` from now on
    LINK = "link"  #: A24
    UNLINK = "unlink"  #: A37
    WITHDRAW = "withdraw"  #: what was said about the two is taken back; rules and weights count


class LinkEvent(msgspec.Struct, frozen=True):
    """A source's or a person's word that two patient records are (or are not) one person.

    by: actor id of the person who said it, "" for a source; reason: a code of that person's.
    two: when it was said it took two people. looked: about a record itself, positions of the
    stopped messages that were looked at. beside: marks of other pairs of the
    same two persons that it settles (``registry/persons/beside.py``).
    """

    kind: LinkKind
    surviving: str  #: source patient id
    prior: str  #: source patient id
    rule: str  #: which rule read it, e.g. ``MRG-1``
    by: str = ""
    reason: str = ""
    up_to: int = 0  #: in words from before ``looked``: the newest of them; 0: not told
    two: bool = False
    looked: tuple[int, ...] = ()
    beside: tuple[str, ...] = ()


class PatientIdentifier(msgspec.Struct, frozen=True):
    """An identifier by which a person may look a patient up; the store keeps only blind indexes."""

    source_patient: str
    kind: str  #: ``identifier``, ``family``, ``given``, ``birthdate``
    system: str  #: assigning authority or type; "" if none
    value: str


class LossCounts(msgspec.Struct, frozen=True):
    """How many non-empty input fields were mapped, ignored by a rule, or not mapped."""

    mapped: int = 0
    ignored: int = 0
    unmapped: int = 0


#: In ``Derived.unread``, in place of the number of a part: what no part holds.
AROUND: Final = -1


class Derived(msgspec.Struct, frozen=True):
    """Everything one message yields: the value of the pure function ``derive``.

    ``quarantine`` is the reason code when the message cannot be applied; then there are no
    contributions, but issues say why. ``unmapped`` lists paths (``ZPI-3``, ``PV1-41``), no values.
    provenance: the FHIR Provenance of this message (targets, entity = message, agent = feed).
    unread: labels of what the message says besides its contributions, by number of its part
    (``Message.parts``; -1: around the parts); what was refused is at least restricted.
    overlaid: source patients whose records it would turn into somebody else's; it is in quarantine.
    unknown: whom, what place and what drug it names that the tables of the site do not have.
    """

    position: int
    feed: str
    message_type: str
    control_id: str
    event_us: int
    source_patient: str
    contributions: tuple[Contribution, ...] = ()
    links: tuple[LinkEvent, ...] = ()
    identifiers: tuple[PatientIdentifier, ...] = ()
    issues: tuple[Issue, ...] = ()
    loss: LossCounts = LossCounts()
    unmapped: tuple[str, ...] = ()
    provenance: FhirJson | None = None
    quarantine: str = ""
    unread: tuple[tuple[int, int], ...] = ()
    overlaid: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()

    @property
    def labels(self) -> int:
        """Mask of the labels of everything it says; those of the person do not count.

        What could not be read could not be judged, so it is restricted.
        """
        if self.quarantine and not self.overlaid:
            return BIT[Label.R]
        found = 0
        for contribution in self.contributions:
            found |= contribution.labels
        for _, labels in self.unread:
            found |= labels
        return found & ~PERSON_MASK

    def unread_in(self, numbers: Container[int]) -> int:
        """Mask of the labels of what these parts say besides contributions."""
        found = 0
        for number, labels in self.unread:
            if number in numbers:
                found |= labels
        return found & ~PERSON_MASK


class ResourceState(msgspec.Struct, frozen=True):
    """What is believed of one resource: the merge of its contributions.

    stamps: per top-level element (cleared ones too) the stamp of the winning statement. A stamp's
    ``position`` leads to the message, and from there to the bytes. labels: mask of every label that
    any of its contributions ever had, but for those of the person: a later statement without a
    label does not make earlier ones harmless. held: of elements that decide what stands, when each
    value was first and last said (``chart.since``), where that is not in the stamps.
    words: what people said of its labels, by ``LabelWord.key``; ``labels`` is what it comes to, and
    said what messages said (0 where there are no words: then it is the same).
    """

    resource: FhirJson
    source_patient: str
    stamps: dict[str, Stamp]
    directory: bool = False
    labels: int = 0
    held: dict[str, tuple[int, int]] = {}
    words: dict[str, LabelWord] = {}
    said: int = 0

    @property
    def is_word_only(self) -> bool:
        """Whether nothing is known but what somebody said of its labels."""
        return bool(self.words) and not self.stamps

    @property
    def id(self) -> str:
        """The FHIR id."""
        result: str = self.resource["id"]
        return result

    @property
    def type(self) -> str:
        """The FHIR resource type."""
        result: str = self.resource["resourceType"]
        return result


class Evidence(msgspec.Struct, frozen=True):
    """Where one value of a resource came from: the result of a traced ``derive``.

    element: path within the resource, e.g. ``name[0].family`` or ``valueQuantity.value``.
    spans: byte offsets in the message. location: HL7 v2 path or JSON pointer. rule: the mapping
    row, e.g. ``PID-5>Patient.name``.
    """

    resource_id: str
    element: str
    rule: str
    location: str
    spans: tuple[tuple[int, int], ...]


class Disposition(StrEnum):
    """What became of one input field."""

    MAPPED = "mapped"
    IGNORED = "ignored"
    UNMAPPED = "unmapped"


class LossRow(msgspec.Struct, frozen=True):
    """One non-empty input field (a leaf of the message) in the loss report."""

    location: str  #: ``PID-5[1].2``
    span: tuple[int, int]
    disposition: Disposition
    rule: str = ""  #: the mapping or ignore rule; "" for unmapped
    targets: tuple[str, ...] = ()  #: ``Patient.name[0].given[0]`` ...
    reason: str = ""  #: for ignored: why


class LossReport(msgspec.Struct, frozen=True):
    """What of a message was carried over, field by field."""

    rows: tuple[LossRow, ...]

    @property
    def counts(self) -> LossCounts:
        """The totals that ``Derived.loss`` carries as well."""
        n = dict.fromkeys(Disposition, 0)
        for row in self.rows:
            n[row.disposition] += 1
        return LossCounts(n[Disposition.MAPPED], n[Disposition.IGNORED], n[Disposition.UNMAPPED])


class Traced(msgspec.Struct, frozen=True):
    """A ``Derived`` with the evidence for every value and the full loss report."""

    derived: Derived
    evidence: tuple[Evidence, ...]
    loss: LossReport
