"""What each page asks for: the one place where pages, actions and purposes meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chartloom.domain.access import GLASS_SUBJECT, SHREDDINGS_SUBJECT, USES_SUBJECT
from chartloom.domain.grant import Purpose
from chartloom.domain.identity import IDENTITY_SUBJECT, Pair
from chartloom.guard.authority import Need
from chartloom.guard.policy import Action

_TREAT, _OPERATE, _GLASS = Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.BREAK_GLASS
_SECONDARY: Final = (Purpose.QUALITY, Purpose.RESEARCH)

SITE: Final = Need(((Action.VIEW_SITE, _OPERATE),), what=("site/feeds",))
QUARANTINE: Final = Need(((Action.MANAGE_QUARANTINE, _OPERATE),), what=("site/quarantine",))
RETRY: Final = Need(((Action.MANAGE_QUARANTINE, _OPERATE),), what=("site/quarantine-retry",))
MESSAGES: Final = Need(((Action.VIEW_MESSAGE, _OPERATE),), what=("site/messages",))
OWN_ACCESS: Final = Need(((Action.VIEW_OWN_ACCESS, _OPERATE),), what=("site/own-access",))
OWN_GLASS: Final = Need(((Action.VIEW_OWN_ACCESS, _OPERATE),), what=("site/own-glass",))
#: Of forms that show nothing about anybody: who may use them.
FIND: Final = (Action.FIND_PERSON, _GLASS)
REVIEW: Final = (Action.REVIEW_GLASS, _OPERATE)
GLASS_FORM: Final = Need((FIND,), what=("glass",))
REVIEW_FORM: Final = Need((REVIEW,), what=("site/glass-reviews",))
AUDIT: Final = Need(((Action.VIEW_AUDIT, _OPERATE),), what=("site/audit",))
KEYS: Final = Need(((Action.MANAGE_KEYS, _OPERATE),), what=("site/keys",))

SESSIONS: Final = Need(((Action.VIEW_SESSIONS, _OPERATE),), what=("site/sessions",))
END_SESSIONS: Final = Need(((Action.END_SESSIONS, _OPERATE),), what=("site/end-sessions",))

_DIRECTORY: Final = (Action.VIEW_DIRECTORY, _OPERATE), (Action.VIEW_DIRECTORY, _TREAT)
DIRECTORY_WORD: Final = Need(((Action.STEWARD_DIRECTORY, _OPERATE),), what=("directory/word",))


def directory(part: str, *, may_miss: bool = False) -> Need:
    """People, places and drugs of the hospital. part: a word of ours. may_miss: the record may not
    be there."""
    return Need(_DIRECTORY, what=(f"directory/{part}",), may_miss=may_miss)


def directory_questions(part: str = "questions", *, may_miss: bool = False) -> Need:
    """What is to be settled in the directory, and what was said of it."""
    return Need(_DIRECTORY[:1], what=(f"directory/{part}",), may_miss=may_miss)


def chart(person: str, part: str = "summary", *, may_miss: bool = False) -> Need:
    """A chart, or a part of it. part: a word of ours, never what somebody typed. may_miss: the part
    may not be there."""
    what = (f"chart/{part}",)
    return Need(((Action.VIEW_CHART, _TREAT),), person=person, what=what, may_miss=may_miss)


def reconcile(person: str, kind: str) -> Need:
    """Deciding about a line of a reconciled list."""
    what = (f"chart/{kind}-decision",)
    return Need(((Action.RECONCILE, _TREAT),), person=person, what=what)


def document(resource: str) -> Need:
    """The text of a document."""
    return Need(((Action.VIEW_CHART, _TREAT),), resource=resource, what=("chart/document",))


def evidence(resource: str) -> Need:
    """A resource with its history, or the evidence for a value."""
    options = ((Action.VIEW_EVIDENCE, _TREAT), (Action.VIEW_EVIDENCE, _OPERATE))
    return Need(options, resource=resource, what=("evidence",))


def message(position: int, part: str = "message") -> Need:
    """One message: as work on the feed, or as evidence for a patient of one's own."""
    options = ((Action.VIEW_MESSAGE, _OPERATE), (Action.VIEW_EVIDENCE, _TREAT))
    return Need(options, position=position, what=(part,))


def messages_of(person: str) -> Need:
    """The messages about one person."""
    options = ((Action.VIEW_EVIDENCE, _TREAT), (Action.VIEW_MESSAGE, _OPERATE))
    return Need(options, person=person, what=("chart/messages",))


def search(field: str = "", value: str = "") -> Need:
    """A search among one's own patients; without terms, those whose chart changed last."""
    terms = {field: " ".join(value.casefold().split())} if value else {}
    return Need(((Action.SEARCH_PERSONS, _TREAT),), terms=terms)


def glass_search(identifier: str, birth_date: str) -> Need:
    """The exact look-up before breaking the glass."""
    terms = {"identifier": " ".join(identifier.casefold().split()), "birthdate": birth_date}
    return Need(((Action.FIND_PERSON, _GLASS),), terms=terms)


def glass_break(person: str) -> Need:
    """Breaking the glass for one person, with a reason."""
    return Need(((Action.BREAK_GLASS, _GLASS),), person=person, reason=True, what=("glass",))


def glass_reviews(patients: Sequence[str] = ()) -> Need:
    """The emergency accesses there are, with what was written about these patients."""
    options = ((Action.REVIEW_GLASS, _OPERATE),)
    return Need(options, candidates=(GLASS_SUBJECT, *patients), what=("site/glass-reviews",))


def glass_review(*, mine: bool) -> Need:
    """Judging emergency access; one's own is for somebody else."""
    options = ((Action.REVIEW_GLASS, _OPERATE),)
    return Need(options, mine=mine, candidates=(GLASS_SUBJECT,), what=("site/glass-review",))


def disclosures(person: str) -> Need:
    """Who saw a person, and the accounting of disclosures."""
    options = ((Action.VIEW_DISCLOSURES, _OPERATE),)
    return Need(options, person=person, what=("disclosures",))


def use_request(purpose: Purpose | None = None) -> Need:
    """Asking for a data use."""
    wanted = (purpose,) if purpose else _SECONDARY
    options = tuple((Action.REQUEST_DATA_USE, p) for p in wanted)
    return Need(options, candidates=(USES_SUBJECT,), what=("data-use",))


def uses() -> Need:
    """The data uses: all for whoever decides on them, one's own for whoever asks for them."""
    options = (
        (Action.VIEW_DATA_USES, _OPERATE),
        *((Action.REQUEST_DATA_USE, p) for p in _SECONDARY),
    )
    return Need(options, candidates=(USES_SUBJECT,), what=("data-uses",))


def use_decision(*, mine: bool) -> Need:
    """Approving or refusing a data use of somebody else."""
    options = ((Action.APPROVE_DATA_USE, _OPERATE),)
    return Need(options, mine=mine, candidates=(USES_SUBJECT,), what=("data-use",))


def identity_queue(part: str = "queue") -> Need:
    """The pairs of records that somebody should look at, or figures of them; nobody's values."""
    options = ((Action.REVIEW_IDENTITY, _OPERATE),)
    return Need(options, candidates=(IDENTITY_SUBJECT,), what=(f"identity/{part}",))


def identity_pair(pair: Pair) -> Need:
    """Two records side by side: what is compared of them, nothing of their charts."""
    options, queue = ((Action.REVIEW_IDENTITY, _OPERATE),), (IDENTITY_SUBJECT,)
    return Need(options, pair=pair, candidates=queue, what=("identity/pair",), may_miss=True)


def identity_word(pair: Pair) -> Need:
    """Saying whether two records are one person."""
    options, queue = ((Action.SAY_IDENTITY, _OPERATE),), (IDENTITY_SUBJECT,)
    return Need(options, pair=pair, candidates=queue, what=("identity/word",))


def identity_history(person: str) -> Need:
    """How the records of a person came together."""
    options, queue = ((Action.REVIEW_IDENTITY, _OPERATE),), (IDENTITY_SUBJECT,)
    return Need(options, person=person, candidates=queue, what=("identity/history",))


def shreddings(patients: Sequence[str] = ()) -> Need:
    """The destructions of keys that were asked for, and who these patients are."""
    options = ((Action.VIEW_SHREDDINGS, _OPERATE),)
    return Need(options, candidates=(SHREDDINGS_SUBJECT, *patients), what=("shreddings",))


def labels_waiting(patients: Sequence[str] = ()) -> Need:
    """The labels that somebody wants lifted, of these patients."""
    options = ((Action.VIEW_LABELS, _OPERATE),)
    return Need(options, candidates=tuple(patients), what=("site/labels",))


def labels(person: str) -> Need:
    """What of a person is labelled."""
    return Need(((Action.VIEW_LABELS, _OPERATE),), person=person, what=("labels",))


def label_word(person: str, action: Action, *, mine: bool = False) -> Need:
    """Setting a label, asking to lift one, or approving that. mine: one asked for it oneself."""
    what = ("labels/word",)
    return Need(((action, _OPERATE),), person=person, reason=True, mine=mine, what=what)


def quarantined(position: int, part: str) -> Need:
    """A message in quarantine that nobody has judged, for whoever says why."""
    options = ((Action.OPEN_QUARANTINED, _OPERATE),)
    return Need(options, position=position, reason=True, what=(part,))
