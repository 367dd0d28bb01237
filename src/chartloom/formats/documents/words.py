"""Lines of documents under headings of drugs, allergies or problems: which of them are a list.

Words are read by their looks: a line that may speak of somebody else, in the negative, or of what
might be, says nothing; yet a list of drugs is not silent about what such a line names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from chartloom.formats.documents.lines import CELL, Line

_DRUGS: Final = r"(?:medications?|medicines?|meds|drugs|prescriptions?)"
_HEADING: Final = re.compile(
    rf"^[\s#*]*(?P<what>(?:[a-z]+[ -]){{0,3}}{_DRUGS}"
    r"(?: (?:list|at|on|upon|after|for|to|stopped|discontinued)\b[a-z ]{0,40})?)"
    r"\s*(?::|$)(?P<rest>.*)$",
    re.IGNORECASE,
)
#: A heading of a list of drugs that a text has without the word, as parts of one.
_PART: Final = re.compile(
    r"^[\s#*]*(?P<what>stop(?: taking)?|stopped|discontinued?|continued?(?: taking)?"
    r"|new|changed?|start(?: taking)?|started)\s*:(?P<rest>.*)$",
    re.IGNORECASE,
)
#: Headings of the other two lists.
_OTHERS: Final = (
    ("allergies", re.compile(
        r"^[\s#*]*(?P<what>(?:known |drug |active )?allerg(?:y|ies)(?: list| and intolerances"
        r"| and adverse reactions)?)\s*(?::|$)(?P<rest>.*)$", re.IGNORECASE)),
    ("problems", re.compile(
        r"^[\s#*]*(?P<what>(?:active |current |medical )?problems?(?: list)?)\s*(?::|$)"
        r"(?P<rest>.*)$", re.IGNORECASE)),
)  # fmt: skip
_OTHER_HEADING: Final = re.compile(r"^\s*[#*]*\s*[A-Z][A-Za-z /&-]{2,60}:\s*(?:\S.*)?$")
#: What allergens do, as people write it: of what looks like a heading, nothing else tells that it
#: is none.
_DID: Final = re.compile(
    r"\b(?:hives|rash\w*|urticari\w*|itch\w*|prurit\w*|anaphyl\w*|angio-?o?edema|swell\w*|swollen"
    r"|nausea\w*|vomit\w*|emesis|diarrh\w*|gi upset|upset stomach|stomach|wheez\w*|bronchospasm"
    r"|dyspn\w*|short(?:ness)? of breath|sob|cough\w*|throat|redness|red man|flush\w*|blister\w*"
    r"|erythema|eczema|dermatitis|stevens|sjs|ten|dress|headaches?|dizz\w*|syncope|hypotension"
    r"|palpitations?|tachycardia|confusion|hallucinat\w*|drows\w*|sedation|myalgias?|muscle aches?"
    r"|fever|reactions?|intoleran\w*|allerg\w*|sensitiv\w*|unknown|mild|moderate|severe)\b",
    re.IGNORECASE,
)
#: Headings under which the same words are findings and complaints.
_SECTION: Final = re.compile(
    r"\b(?:plan|assessment|impression|history|hx|hpi|pmh|psh|complaints?|subjective|objective|exam\w*"
    r"|physical|vitals?|signs|general|skin|heent|head|eyes|ears|nose|throat|neck|lungs?|chest"
    r"|respiratory|pulm\w*|heart|cardi\w*|cv|abdomen|abd|gi|gu|ext\w*|neuro\w*|psych\w*|msk|ros"
    r"|review|systems?|constitutional|labs?|laboratory|results?|imaging|diagnos\w*|problems?"
    r"|course|summary|reason|note|comments?|instructions?|recommendations?|follow|disposition"
    r"|social|family|symptoms?|precautions?|indications?|warnings?|procedures?|operations?|given)\b",
    re.IGNORECASE,
)
#: "Metoprolol: 25 mg daily" looks like a heading.
_DOSE: Final = re.compile(r"\d\s*(?:mg|mcg|g|ml|units?|iu|meq|%)\b", re.IGNORECASE)
#: Headings that are not about what this patient shall take.
_NOT_TAKEN: Final = re.compile(
    r"\b(?:allerg\w*|intoleran\w*|adverse|avoid|family|contraindicated|inpatient|given"
    r"|administered)\b",
    re.IGNORECASE,
)
_STOPS: Final = re.compile(
    r"\b(?:stop\w*|discontinu\w*|d/c(?:'?d)?|no longer|not taking|cease\w*)\b", re.IGNORECASE
)
#: A cell of a table that says that a row does not hold.
_OVER: Final = re.compile(
    r"(?:completed?|inactive|discontinued|stopped|aborted|cancelled|resolved|ended"
    r"|no longer (?:active|taking)|not taking)\.?",
    re.IGNORECASE,
)
#: Lines of which it is not sure whom or what they speak of: they are left out.
_UNSURE: Final = re.compile(
    r"\b(?:no|none|not|never|denies|denied|without|allerg\w*|intoleran\w*|reaction|avoid|family"
    r"|mother|father|sister|brother|wife|husband|son|daughter|if|unless|consider\w*|hold|held"
    r"|nk[da]a?)\b|\?",
    re.IGNORECASE,
)
#: The same of allergies and problems, where other words are usual.
_UNSURE_OTHER: Final = re.compile(
    r"\b(?:no|none|not|never|denies|denied|without|avoid|family|mother|father|sister|brother|wife"
    r"|husband|son|daughter|if|unless|ruled?|possible|probable|suspected|resolved|history|h/o|s/p"
    r"|refuted|tolerat\w+|unknown|nk[da]a?)\b|\?",
    re.IGNORECASE,
)
#: Words that deny what is named after them, too, or speak of somebody else's.
_DENIED: Final = re.compile(
    r"\b(?:no|none|not|never|denies|denied|without|avoid|family|mother|father|sister|brother|wife"
    r"|husband|son|daughter|if|unless|ruled?|refuted|tolerat\w+|nk[da]a?)\b",
    re.IGNORECASE,
)
#: What an allergen did, when nobody knows what: of the allergy itself that says nothing.
_UNKNOWN_DID: Final = re.compile(
    r"\(\s*(?:unknown|reactions?:?\s+unknown|unknown\s+reactions?)\s*\)"
    r"|\b(?:reactions?:?\s+unknown|unknown\s+reactions?)\b|(?<=\w)\s*[-\u2013:]\s*unknown\s*$",
    re.IGNORECASE,
)
#: Commas that are not within what stands in brackets.
_BETWEEN: Final = re.compile(r",\s+(?![^()]*\))")
#: A sentence about somebody, which is no line of a list.
_SENTENCE: Final = re.compile(
    r"^(?:he|she|they|we|i|(?:the )?(?:patient|pt|child|infant)|mr|mrs|ms)\b\.?", re.IGNORECASE
)
#: Everyday directions: they make no line unsure, whatever words they are made of.
_DIRECTIONS: Final = re.compile(
    r"\b(?:hold|held|stop|skip|call)\s+(?:dose\s+)?(?:if|when)\b[^;|]*"
    r"|\bhold\s+for\s+(?:sbp|bp|systolic|blood pressure|hr|heart rate|pulse|map|inr|glucose|bg"
    r"|sedation|[<>])[^;|]*"
    r"|\b(?:no|without)\s+(?:more than|refills?|substitutions?|alcohol|grapefruit\w*)\b[^,;|]*"
    r"|\b(?:do not|don'?t|never)\s+(?:stop|crush|chew|exceed|skip|split|break|miss|drive|drink"
    r"|double|run out|take more|use more)\b[^;|]*"
    r"|\bnot (?:to exceed|more than)\b[^;|]*"
    r"|\b(?:stop|hold|discontinue)\s+(?:\w+\s+){0,4}(?:before|prior to)\b[^;|]*"
    r"|\buntil\s+(?:it is\s+|otherwise\s+)?(?:stopped|discontinued|told|instructed|advised"
    r"|directed)\b[^;|]*"
    r"|\b(?:if|when|unless)\s+(?:needed|necessary|required|in pain|pain\w*|fever\w*|nausea\w*"
    r"|vomiting|sleepless\w*|constipat\w*|short of breath|otherwise (?:told|directed))\b"
    r"|\bfor\s+(?:seasonal\s+)?allerg\w+(?:\s+(?:symptoms?|rhinitis))?\b"
    r"|\bwith(?: or |/)without food\b"
    r"|\b(?:stop|end)\s+date\b[^;|]*",
    re.IGNORECASE,
)
#: The same that may name another drug: it is no part of the name of this one.
_ASIDE: Final = re.compile(
    r"[(,.]?\s*\b(?:do not|don'?t|never|avoid)\s+(?:take\s+|use\s+|mix\s+|combine\s+)?(?:this\s+)?"
    r"(?:together\s+)?(?:with|within)\b[^;|)]*\)?",
    re.IGNORECASE,
)
#: What a line says that names something and is not sure what of it.
MENTIONED: Final = "mentioned"
#: Cells that answer no question of ours: PRN "no", reaction "unknown".
_NEUTRAL: Final = re.compile(r"(?:no|none|unknown|none known|n/?a|\W*)\.?", re.IGNORECASE)
_BULLET: Final = re.compile(r"^\s*(?:[-*\u2022]+|\d{1,2}[.)])?\s*")
_ALLERGY_TO: Final = re.compile(
    r"^(?:(?:he|she|they|(?:the )?(?:patient|pt|child|infant)) (?:is|are|has an|has) )?"
    r"allerg(?:y|ic) to ",
    re.IGNORECASE,
)


def listed_lines(lines: Iterable[Line], within: str = "") -> Iterator[tuple[str, str, str, Line]]:
    """(list, text, says, line) of every line of a list: ``drugs``, ``allergies`` or ``problems``.

    says: ``noted``, of drugs also ``noted-stopped`` and :data:`MENTIONED`. within: the list that
    the lines are of whatever their headings; then a heading only tells whether a part of it was
    stopped.
    """
    name, says, fixed = within, "noted" if within else "", bool(within)
    for line in lines:
        text = line.text
        head = _head(text, name)
        if head is not None:
            name, says, text = head
        elif line.heading and _plain_head(text, fixed=fixed):
            name, says = (within, "noted") if fixed else ("", "")
            continue
        elif _OTHER_HEADING.match(text) and CELL not in text and not _reaction(text, name):
            if name == "drugs" and _DOSE.search(text):
                yield name, _tidy(text), MENTIONED, line
            name, says = (within, "noted") if fixed else ("", "")
            if not fixed:
                continue
        if says:
            for part in text.split(";"):
                if told := _told(part, name, says):
                    yield (name, *told, line)


def _head(text: str, name: str) -> tuple[str, str, str] | None:
    """(list, says, rest of the line) of a heading; says is empty if it is not to be read."""
    found = _HEADING.match(text) or (_PART.match(text) if name == "drugs" else None)
    if found:
        what = found["what"]
        says = "" if _NOT_TAKEN.search(what) else _says(what)
        return ("drugs" if says else ""), says, found["rest"]
    for other, pattern in _OTHERS:
        if found := pattern.match(text):
            return other, "noted", found["rest"]
    return None


def _reaction(text: str, name: str) -> bool:
    """Whether what looks like a heading is an allergy with what it did: "Penicillin: hives". The
    plan that comes next in a note is none, or what it orders would read as an allergy."""
    if name != "allergies":
        return False
    head, _, did = text.partition(":")
    return not _SECTION.search(head) and bool(_DID.search(did))


def _plain_head(text: str, *, fixed: bool) -> bool:
    """Whether what markup calls a heading ends a list: the head of a table does not."""
    return fixed or CELL not in text


def _told(part: str, name: str, says: str) -> tuple[str, str] | None:
    cells = [c.strip() for c in part.split(CELL)] if CELL in part else [part]
    over = any(_OVER.fullmatch(c) for c in cells[1:])
    beside = [c for c in cells[1:] if not _NEUTRAL.fullmatch(c)]
    words = _tidy(cells[0])
    if len(words) < 3:
        return None
    if name == "allergies" and not over:
        words = _sure_allergies(words)
    if name != "drugs":
        words = _ALLERGY_TO.sub("", words)
        unsure = over or any(_UNSURE_OTHER.search(c) for c in (words, *beside))
        return None if unsure or len(words) < 3 else (words, says)
    named = _tidy(_ASIDE.sub(" ", words))
    sure = _DIRECTIONS.sub(" ", named)
    asked = " | ".join((sure, *(_DIRECTIONS.sub(" ", _ASIDE.sub(" ", c)) for c in beside)))
    if len(named) < 3 or _UNSURE.search(_STOPS.sub(" ", asked)):
        return words, MENTIONED
    if over or _STOPS.search(sure):
        return named, "noted-stopped"  # with its own words: "- taking" would say the opposite
    return named, says


def _sure_allergies(words: str) -> str:
    """The allergies of a line of which it is sure. One that is only possible hides no other one;
    what is denied, or somebody else's, is so for all that come after it."""
    if _SENTENCE.match(words) and not _DID.search(words):
        return ""
    kept = []
    for part in _BETWEEN.split(words):
        known = _UNKNOWN_DID.sub("", part).strip(" .")
        if _DENIED.search(known):
            break
        if len(known) >= 3 and not _UNSURE_OTHER.search(known):
            kept.append(known)
    return ", ".join(kept)


def _tidy(text: str) -> str:
    return " ".join(_BULLET.sub("", text, count=1).split())


def _says(heading: str) -> str:
    return "noted-stopped" if _STOPS.search(heading) else "noted"
