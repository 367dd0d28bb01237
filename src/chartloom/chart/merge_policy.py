"""How statements about one element are merged: the table that a reviewer reads.

The default, for everything not named here, is a *register*: the latest statement about a top-level
element replaces earlier ones, and a message that does not mention the element says nothing about
it. The three exceptions below exist because that default would be clinically wrong or would make a
resource invalid. Every row carries its reason.

``Together``  several elements are one register: a statement about one of them replaces all.
``Keyed``     a list is a set of registers, one per key: items of other keys stay.
``Parts``     an object is a set of registers, one per child: the other children stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from chartloom.domain.codec import encode_sorted


class Together(msgspec.Struct, frozen=True, eq=False):
    """Elements that are stated and replaced together; ``name`` stamps the group once cleared.

    clearable: False where FHIR would not allow the resource without them.
    """

    name: str
    clearable: bool = True


class Keyed(msgspec.Struct, frozen=True, eq=False):
    """A list merged by key. ``order`` sorts items for reading; ties fall back to key and bytes.

    apart: an object in each item whose children are registers of their own ("" if none).
    """

    key: Callable[[Any], str]
    order: Callable[[Any], str]
    apart: str = ""


class Parts(msgspec.Struct, frozen=True, eq=False):
    """An object merged child by child."""


Rule = Together | Keyed | Parts


# --- keys ---------------------------------------------------------------------------------------


def reference_key(item: Any) -> str:
    """A Reference by what it points to: literal reference, else identifier, else display."""
    if isinstance(item, dict):
        reference: str | None = item.get("reference")
        if reference:
            return reference
        for part in ("identifier", "display"):
            if part in item:
                return encode_sorted(item[part]).decode()
    return encode_sorted(item).decode()


def _place_key(item: dict[str, Any]) -> str:
    return reference_key(item.get("location", {}))


def _condition_key(item: dict[str, Any]) -> str:
    return reference_key(item.get("condition", {}))


def concept_key(concept: dict[str, Any]) -> str:
    """A CodeableConcept by its first code, else by its text."""
    for coding in concept.get("coding", ()):
        code: str | None = coding.get("code")
        if code:
            return code
    return str(concept.get("text", ""))


#: What ROL and PRT tell of a role is kept in extensions of ours.
_OURS: Final = "urn:chartloom:extension:"


def _role_key(item: dict[str, Any]) -> str:
    """The role; with the person if something was said about this one person in it.

    PV1 lists who has a role now. ROL and PRT speak of one person: since when, until when, why.
    """
    role = "+".join(sorted(concept_key(t) for t in item.get("type", ())))
    alone = "period" in item or any(
        str(e.get("url", "")).startswith(_OURS) for e in item.get("extension", ())
    )
    return f"{role}|{reference_key(item.get('individual', {}))}" if alone else role


def _identifier_key(item: dict[str, Any]) -> str:
    """The kind of an identifier (placer, filler, visit number): a new number of the same kind
    replaces the old one, another kind stays."""
    return concept_key(item.get("type", {})) or str(item.get("system", ""))


def _url_key(item: dict[str, Any]) -> str:
    return str(item.get("url", ""))


def _period_start(item: dict[str, Any]) -> str:
    return str(item.get("period", {}).get("start", ""))


def _display(item: dict[str, Any]) -> str:
    return str(item.get("display", ""))


def _by_key(_: Any) -> str:
    return ""


# --- the table ----------------------------------------------------------------------------------

_VALUE = Together("value[x]")
_COURSE = Together("clinicalStatus")
_SLOT = Together("start", clearable=False)
_APPOINTMENT_STATUS = Together("status", clearable=False)
_AGE = Together("age[x]")
_IDENTIFIERS = Keyed(_identifier_key, _by_key)

#: Elements of every resource type.
EVERYWHERE: Final[dict[str, Rule]] = {
    # One source adds its own extensions; another message without them does not retract them.
    "extension": Keyed(_url_key, _by_key),
}

#: (resource type, element) -> rule.
TABLE: Final[dict[tuple[str, str], Rule]] = {
    # A transfer names the new bed only. The stay's earlier places must survive it, each with its
    # own period, so that a cancelled transfer (A12) can take back exactly one of them. An update
    # (A08) names the bed without saying since when.
    ("Encounter", "location"): Keyed(_place_key, _period_start, apart="period"),
    # An update that names only the attending says nothing about who referred or admitted. Those
    # whom PV1 lists in one role are replaced together, so that a change of attending leaves one
    # attending. Who has a period or details of their own (ROL, PRT) stays until the same person is
    # spoken of in that role again, so that earlier attendings keep their time.
    ("Encounter", "participant"): Keyed(_role_key, _by_key),
    # Diagnoses come in several messages of a stay (admission, coding, billing).
    ("Encounter", "diagnosis"): Keyed(_condition_key, _by_key),
    # Admission and discharge are told by different messages; an A03 without PV1-44 must not lose
    # the admission time, nor a late A08 without PV1-45 the discharge.
    ("Encounter", "period"): Parts(),
    ("Encounter", "hospitalization"): Parts(),
    ("Account", "servicePeriod"): Parts(),
    ("Coverage", "period"): Parts(),
    # Laboratories send one report in several messages, each with the results that became ready. A
    # withdrawn result stays listed; its Observation says that it was withdrawn.
    ("DiagnosticReport", "result"): Keyed(reference_key, _display),
    # A result with a value has no reason for its absence (obs-6), and the reverse.
    ("Observation", "dataAbsentReason"): _VALUE,
    # con-4, con-5, ait-1, ait-2: what these elements may be depends on each other.
    ("Condition", "clinicalStatus"): _COURSE,
    ("Condition", "verificationStatus"): _COURSE,
    ("Condition", "abatement[x]"): _COURSE,
    ("AllergyIntolerance", "clinicalStatus"): _COURSE,
    ("AllergyIntolerance", "verificationStatus"): _COURSE,
    # app-2, app-3: start and end come together and stay once known; app-4: a reason for
    # cancelling goes when the appointment is booked again.
    ("Appointment", "start"): _SLOT,
    ("Appointment", "end"): _SLOT,
    ("Appointment", "status"): _APPOINTMENT_STATUS,
    ("Appointment", "cancelationReason"): _APPOINTMENT_STATUS,
    # prr-1: orderDetail needs a code.
    ("ServiceRequest", "code"): Together("code", clearable=False),
    # fhs-1, fhs-2: either an age (estimated or not) or a birth date.
    ("FamilyMemberHistory", "age[x]"): _AGE,
    ("FamilyMemberHistory", "born[x]"): _AGE,
    ("FamilyMemberHistory", "estimatedAge"): _AGE,
    # Order messages know the placer's number, results the filler's too; neither retracts the other.
    ("ServiceRequest", "identifier"): _IDENTIFIERS,
    ("DiagnosticReport", "identifier"): _IDENTIFIERS,
    ("MedicationRequest", "identifier"): _IDENTIFIERS,
    ("Specimen", "identifier"): _IDENTIFIERS,
    ("Appointment", "identifier"): _IDENTIFIERS,
    ("Encounter", "identifier"): _IDENTIFIERS,
}

# Patient.identifier, name, address and telecom are deliberately plain registers: PID is a snapshot
# of the source's record, and a number or address that it no longer lists is no longer true there.

#: Stems of R4's choice elements at the top of a resource: ``value[x]`` is one element in FHIR.
CHOICES: Final = (
    "abatement|age|asNeeded|allowed|born|content|deceased|detected|diagnosed|effective|entity|"
    "event|identified|item|legallyBinding|location|medication|multipleBirth|occurrence|onset|"
    "performed|product|quantity|reported|scheduled|serviced|start|statusReason|subject|time|"
    "timing|topic|value"
)

_TYPES: Final = (
    "Address|Age|Annotation|Attachment|Boolean|Canonical|Code|CodeableConcept|Coding|Date|"
    "DateTime|Decimal|Duration|Expression|Identifier|Instant|Integer|Money|Period|Quantity|"
    "Range|Ratio|Reference|SampledData|String|Time|Timing|Uri|Url"
)

_CHOICE = re.compile(rf"({CHOICES})(?:{_TYPES})")


def element_name(name: str) -> str:
    """FHIR's name for a JSON property: ``valueQuantity`` -> ``value[x]``; others unchanged."""
    match = _CHOICE.fullmatch(name)
    return f"{match[1]}[x]" if match else name


class Policy(dict[str, Rule | None]):
    """JSON property -> rule of one resource type, filled as properties are met."""

    def __init__(self, resource_type: str) -> None:
        super().__init__()
        self.resource_type = resource_type
        #: Under which names each group met so far may be stamped.
        self.members: dict[Together, list[str]] = {}
        self._choices: dict[str, Together] = {}

    def __missing__(self, name: str) -> Rule | None:
        if name[0] == "_":  # goes with the property it extends
            self[name] = rule = self[name[1:]]
            return rule
        element = element_name(name)
        rule = TABLE.get((self.resource_type, element)) or EVERYWHERE.get(element)
        rule = rule or self._named(element)
        if rule is None and element.endswith("[x]"):
            rule = self._choices.setdefault(element, Together(element))
        if isinstance(rule, Together):
            members = self.members.setdefault(rule, [rule.name])
            if name not in members:
                members.append(name)
        self[name] = rule
        return rule

    def meet(self, resource: dict[str, Any]) -> None:
        """Makes sure that every property of ``resource`` has been looked at."""
        if not self.keys() >= resource.keys():
            for name in resource:
                self[name]
                self[name.removeprefix("_")]

    def _named(self, element: str) -> Rule | None:
        """The group that stamps itself under this name (``value[x]`` for one that was cleared)."""
        return next(
            (
                rule
                for (resource_type, _), rule in TABLE.items()
                if resource_type == self.resource_type
                and isinstance(rule, Together)
                and rule.name == element
            ),
            None,
        )


@lru_cache(maxsize=512)
def policy_of(resource_type: str) -> Policy:
    """The compiled policy of a resource type."""
    return Policy(resource_type)
