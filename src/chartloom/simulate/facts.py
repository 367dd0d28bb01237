"""What is true in the simulated hospital: frozen structs, one per thing, with a stable ``key``.

An event carries the facts as they stand after it. The truth keeps the last fact of every key, so it
equals, by construction, what the messages said last. Times are microseconds since 1970; 0 is
"never" or "not known".
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec


class Numbered(msgspec.Struct, frozen=True):
    """A fact that is known by the number that its source gave it."""

    key_field: ClassVar[str] = ""

    @property
    def key(self) -> str:
        """The number."""
        return str(getattr(self, self.key_field))


class Demographics(msgspec.Struct, frozen=True):
    """Who somebody is from ``since_us`` on. ``birth_date`` is ``YYYY``, ``YYYYMM`` or full."""

    since_us: int
    family: str
    given: str
    second: str
    sex: str  #: F, M
    birth_date: str
    street: str
    city: str
    state: str
    postal_code: str
    phones: tuple[str, ...]
    email: str
    language: str
    marital: str
    maiden_name: str = ""
    deceased_us: int = 0

    @property
    def key(self) -> str:
        """Every version is kept."""
        return str(self.since_us)


class Identifier(msgspec.Struct, frozen=True):
    """A number by which a feed's system knows the person. ``merged_into``: after an A40."""

    feed: str
    authority: str
    value: str
    type: str  #: MR, PI, ...
    since_us: int
    merged_into: str = ""
    merged_us: int = 0

    @property
    def key(self) -> str:
        """System and number."""
        return f"{self.feed}|{self.authority}|{self.value}"


class Stay(msgspec.Struct, frozen=True):
    """Where in the house somebody was during an encounter."""

    unit: str
    room: str
    bed: str
    start_us: int
    end_us: int = 0


class Encounter(Numbered, frozen=True):
    """A visit. patient_class: HL7 table 0004. status: FHIR's (planned, in-progress, ...)."""

    key_field: ClassVar[str] = "visit"

    visit: str
    mrn: str
    patient_class: str
    status: str
    start_us: int
    end_us: int
    stays: tuple[Stay, ...]
    service: str
    attending: int  #: index into the clinicians of the house
    reason_code: str
    reason_text: str
    diagnoses: tuple[tuple[str, str, str], ...] = ()  #: ICD-10-CM, text, type (A, W, F)
    disposition: str = ""
    expected_us: int = 0


class Problem(msgspec.Struct, frozen=True):
    """A long-term condition. status: active, resolved, refuted."""

    code: str
    text: str
    status: str
    onset: str
    since_us: int
    ended_us: int = 0
    feed: str = ""

    @property
    def key(self) -> str:
        """Where it is listed, and the code."""
        return f"{self.feed}|{self.code}"


class Allergy(msgspec.Struct, frozen=True):
    """An allergy as one system lists it. status: active, inactive, refuted, entered-in-error.

    type: HL7 table 0127 (DA, FA, EA, MA). severity: table 0128 (SV, MO, MI). The code ``NKA`` is
    the statement that no allergy is known.
    """

    code: str
    system: str
    text: str
    type: str
    severity: str
    reaction: str
    status: str
    since_us: int
    ended_us: int = 0
    feed: str = ""

    @property
    def key(self) -> str:
        """Where it is listed, and the substance."""
        return f"{self.feed}|{self.code}"


class Medication(Numbered, frozen=True):
    """A prescription. status: active, stopped, completed.

    how_ended: ``explicitly`` (a stop was sent), ``silently`` (no system ever says so; the patient
    just does not take it any more), ``completed`` (the course ran out), ``""`` while active.
    """

    key_field: ClassVar[str] = "order"

    order: str
    drug: str  #: key into the formulary
    dose: str
    dose_unit: str
    frequency: str
    route: str
    status: str
    start_us: int
    prescriber: int
    duration_days: int = 0  #: 0: open end
    end_us: int = 0
    how_ended: str = ""
    dose_history: tuple[tuple[int, str], ...] = ()  #: (since, dose)
    visit: str = ""
    feed: str = "pharmacy"


class Dispense(Numbered, frozen=True):
    """One fill."""

    key_field: ClassVar[str] = "number"

    number: str
    order: str
    drug: str
    at_us: int
    quantity: int
    unit: str
    days_supply: int


class Administration(Numbered, frozen=True):
    """One dose given (or not) on a ward. status: CP given, RE refused, NA not given."""

    key_field: ClassVar[str] = "number"

    number: str
    order: str
    drug: str
    at_us: int
    dose: str
    dose_unit: str
    status: str


class Order(Numbered, frozen=True):
    """A request for tests. status: active, completed, cancelled."""

    key_field: ClassVar[str] = "placer"

    placer: str
    panel: str
    status: str
    at_us: int
    orderer: int
    priority: str
    visit: str = ""


class Result(msgspec.Struct, frozen=True):
    """One measured value. status: HL7 table 0085 (P, F, C, W). flag: table 0078, as sent.

    revisions: every (time, status, value) that was reported, oldest first.
    """

    filler: str
    placer: str
    panel: str
    test: str  #: key into the catalogue of tests
    sub_id: str
    value: str
    unit: str  #: as sent: a local spelling on some tests
    flag: str
    reference: str
    status: str
    observed_us: int
    reported_us: int
    revisions: tuple[tuple[int, str, str], ...] = ()
    note: str = ""
    feed: str = "lab"
    visit: str = ""

    @property
    def key(self) -> str:
        """Report, test, sub-id."""
        return f"{self.filler}|{self.test}|{self.sub_id}"


class Immunization(Numbered, frozen=True):
    """A vaccine given, refused or deleted again. occurrence: ``YYYYMM`` or full date/time."""

    key_field: ClassVar[str] = "number"

    number: str
    cvx: str
    text: str
    occurrence: str
    status: str  #: completed, not-done, entered-in-error
    lot: str = ""
    site: str = ""
    manufacturer: str = ""
    historical: bool = False
    refusal: str = ""


class Appointment(Numbered, frozen=True):
    """An appointment. status: booked, cancelled, noshow, fulfilled."""

    key_field: ClassVar[str] = "number"

    number: str
    status: str
    start_us: int
    end_us: int
    reason: str
    clinician: int
    clinic: str
    reschedules: int = 0
    cancel_reason: str = ""


class Document(Numbered, frozen=True):
    """A note. status: preliminary, final, superseded, entered-in-error."""

    key_field: ClassVar[str] = "number"

    number: str
    type: str
    title: str
    status: str
    at_us: int
    author: int
    text: str
    visit: str = ""
    replaces: str = ""


class Consent(Numbered, frozen=True):
    """What a patient agreed to in the clinic. type: deny, permit; purpose: of use, as HL7 codes."""

    key_field: ClassVar[str] = "number"

    number: str
    type: str
    purpose: str
    since_us: int


class Charge(Numbered, frozen=True):
    """A charge or its reversal. kind: CG, CR."""

    key_field: ClassVar[str] = "number"

    number: str
    code: str
    text: str
    amount: str
    kind: str
    at_us: int
    visit: str


Fact: TypeAlias = (
    Demographics
    | Identifier
    | Encounter
    | Problem
    | Allergy
    | Medication
    | Dispense
    | Administration
    | Order
    | Result
    | Immunization
    | Appointment
    | Document
    | Charge
    | Consent
)
