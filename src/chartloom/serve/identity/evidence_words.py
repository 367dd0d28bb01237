"""The evidence of a decision in sentences that a data steward understands. Pure functions."""

from __future__ import annotations

from typing import Final

import msgspec

from chartloom.domain.identity import IdentityDecision
from chartloom.registry.persons import Parameters

#: Field and level -> what was seen.
SEEN: Final[dict[str, dict[str, str]]] = {
    "family": {
        "exact": "The family names are the same",
        "former": "One's family name is a former name of the other",
        "part": "A part of a double family name is the same",
        "close": "The family names differ by a letter or two",
        "sound": "The family names only sound alike",
        "swapped": "Given and family name are swapped",
        "renamed": "The family names are different, as a woman's may be who has married",
        "different": "The family names are different",
    },
    "given": {
        "exact": "The given names are the same",
        "nickname": "One given name is a short form of the other",
        "middle": "One's given name is a further name of the other",
        "close": "The given names differ by a letter or two",
        "initial": "One has an initial only, and it fits",
        "swapped": "Given and family name are swapped",
        "similar": "The given names are alike, as those of siblings often are",
        "different": "The given names are different",
    },
    "middle": {
        "exact": "The middle names are the same",
        "initial": "The middle initial fits",
        "different": "The middle names are different",
    },
    "birth": {
        "exact": "The birth dates are the same",
        "default": "The birth dates are the same, but may be a filler such as 1 January",
        "partial": "The birth dates are the same as far as they are known",
        "swapped": "Day and month of birth are swapped",
        "digit": "The birth dates differ by one digit",
        "day-and-month": "Day and month of birth agree, the year does not",
        "year-and-month": "Year and month of birth agree, the day does not",
        "year": "Only the year of birth agrees",
        "different": "The birth dates are different",
    },
    "sex": {"same": "The sex is the same", "different": "The sex is not the same"},
    "home": {
        "same": "They live at the same address",
        "building": "They live in the same building, in different flats",
        "street": "They live in the same street",
        "postal": "The postal codes are the same, the streets are not",
        "city": "They live in the same town",
        "different": "They live in different places",
    },
    "phone": {
        "same": "A telephone number is the same",
        "close": "The telephone numbers differ by a digit",
        "different": "The telephone numbers are different",
    },
    "email": {
        "same": "An e-mail address is the same",
        "close": "The e-mail addresses differ by a letter",
        "different": "The e-mail addresses are different",
    },
    "national": {
        "same": "A national number is the same",
        "close": "The national numbers differ by a digit",
        "different": "The national numbers are different",
    },
    "record": {
        "same": "One system gave both the same record number",
        "different": "One system gave them different record numbers",
    },
    "suffix": {
        "same": "The suffix (such as Jr) is the same",
        "different": "The suffixes differ: one may be the parent of the other",
    },
    "mother": {
        "same": "The mother's maiden name is the same",
        "close": "The mother's maiden names differ by a letter or two",
        "different": "The mother's maiden names are different",
    },
}

#: Reason of a review -> (what it is called, what to look at). A reason is the name of a guard, or
#: one of ``score``, ``said-apart``, ``overlay``.
REASONS: Final[dict[str, tuple[str, str]]] = {
    "score": ("Not enough either way", "Much agrees, but not enough to join the two without you."),
    "said-apart": (
        "Somebody said otherwise",
        "The records would be joined, but a person or a source said that they are two people.",
    ),
    "contradicted": (
        "Contradicted",
        "A person decided, and a source or another person said something else about it.",
    ),
    "overlay": (
        "Update about somebody else",
        "A message speaks of this record as another person: given name and birth date at once. It "
        "waits in quarantine. Say whether it is the same person: then it is applied.",
    ),
    "twins": ("Twins", "Same birth date and family, another given name: twins, as it seems."),
    "twins-same-number": (
        "Twins with one number",
        "They look like twins, yet have one national number. One of the two numbers may be wrong.",
    ),
    "birth-order": ("Different birth order", "Both say which of a multiple birth they are."),
    "similar-given-name": (
        "Given name mistyped, or a sibling",
        "The given names are nearly alike. Twins are often named so; a slip of the pen looks the "
        "same.",
    ),
    "other-given-name": (
        "Another given name",
        "The given names differ, but an e-mail address or a number is the same.",
    ),
    "namesake": (
        "Parent and child of one name",
        "Same names, but a generation apart, or Jr and Sr.",
    ),
    "namesake-same-number": (
        "Namesakes with one number",
        "Parent and child of one name, as it seems, yet with one national number.",
    ),
    "other-birth-date": (
        "Another birth date",
        "Names and home agree, the birth dates do not: a mistake, or a parent, a child, a cousin.",
    ),
    "no-birth-date": ("No birth date", "One record has no birth date. A relative may share all."),
    "newborn": (
        "Newborn without a name",
        "One is a placeholder from the birth. With twins, look at the order of birth and the sex.",
    ),
    "mother-and-child": (
        "Mother and child",
        "A number of the one is given as the other's mother's.",
    ),
    "other-person": ("Another person", "Given name and birth date are both different."),
    "unknown-patient": ("Unknown patient", "One was registered without a name (DOE, UNKNOWN)."),
    "no-given-name": ("No given name", "One record has no given name, or an initial only."),
    "other-middle-name": (
        "Another middle name",
        "The middle names differ, and nothing else ties the two together.",
    ),
    "thin": (
        "Little to go by",
        "Name and birth date agree or nearly so, but no address, telephone or number does.",
    ),
    "nothing-in-common": ("Nothing else in common", "Only the names agree."),
}

#: Why a record came to a person.
CAUSES: Final = {
    "first": "It was the first of its person",
    "record-number": "It has the same record number in the same system",
    "national-number": "It has the same national number, given name and birth date",
    "score": "What it says agrees so much that it can hardly be somebody else",
    "merge": "A source or a data steward merged it",
    "link": "A source or a data steward said that it is the same person",
    "unlink": "A source or a data steward said that it is somebody else",
    "withdraw": "What was said about it was taken back",
    "overlay": "It was cut off: an update turned it into somebody else",
    "parameters": "The matcher's parameters changed",
    "update": "What is said of it changed",
}
RULES: Final = {
    "record-number": "the same record number in the same system",
    "national-number": "the same national number, given name and birth date",
    "score": "what agrees and what differs, weighed",
}
#: A name that is this many bits rarer or more common than names are is worth saying.
_RARE_BITS: Final = 1.0


class Seen(msgspec.Struct, frozen=True):
    """One line of evidence. bits: for (above 0) or against."""

    field: str
    level: str
    sentence: str
    bits: float

    @property
    def says(self) -> str:
        """``+9.2 bits``, with a proper minus."""
        return signed(self.bits)


def signed(bits: float) -> str:
    """Bits with their sign."""
    text = f"{abs(bits):.1f}"
    return f"±{text}" if text == "0.0" else f"{'+' if bits > 0 else '−'}{text}"


def seen(decision: IdentityDecision, parameters: Parameters | None) -> list[Seen]:
    """The evidence, what says most first. parameters: those it was decided with, if they are known
    (they tell how rare a name is)."""
    if parameters is not None and parameters.fingerprint != decision.parameters:
        parameters = None
    found = []
    for field, (level, bits) in decision.fields.items():
        sentence = SEEN.get(field, {}).get(level, f"{field}: {level}")
        rarity = _rarity(field, level, bits, parameters)
        found.append(Seen(field, level, f"{sentence}{rarity}", bits))
    return sorted(found, key=lambda s: (-abs(s.bits), s.field))


def _rarity(field: str, level: str, bits: float, parameters: Parameters | None) -> str:
    if parameters is None or field not in ("family", "given"):
        return ""
    more = bits - parameters.weights.get(field, {}).get(level, bits)
    if more >= _RARE_BITS:
        return ", and rare"
    return ", but common" if more <= -_RARE_BITS else ""


def why(reason: str) -> tuple[str, str]:
    """What a review is called, and what to look at."""
    return REASONS.get(reason, (reason.replace("-", " ").capitalize(), ""))


def verdict(decision: IdentityDecision, link: float, review: float) -> str:
    """What the weight alone would say. link, review: thresholds in bits."""
    if decision.weight >= link:
        return "The weight alone would join the two."
    if decision.weight >= review:
        return "The weight is between joining and leaving apart."
    return "The weight alone would leave the two apart."
