"""What people decide, as messages of the internal feed ``steward``.

``word`` writes the body of a decision about two records, ``arrival`` makes what is landed; the
mapping reads it back as ``LinkEvent`` with ``by`` and ``reason``. Decisions about lists of a chart,
words about labels and about the directory are further kinds of resources of the same feed.
"""

from chartloom.normalize.steward.directory import SAYABLE, directory_word, sayable, word_in
from chartloom.normalize.steward.labels import LABEL_SAYS, label_word
from chartloom.normalize.steward.linkage import BESIDE_MAX, RULE, SAID, word
from chartloom.normalize.steward.lists import decision, decision_id, read_list
from chartloom.normalize.steward.mapping import StewardMapping, arrival
from chartloom.normalize.steward.reasons import Reason, read_reasons
from chartloom.normalize.steward.said import (
    ACTOR,
    ELSEWHERE,
    MALFORMED,
    REASON,
    Reader,
    Reading,
    Said,
    author,
    author_of,
    malformed,
    patient_of,
)

__all__ = [
    "ACTOR",
    "BESIDE_MAX",
    "ELSEWHERE",
    "LABEL_SAYS",
    "MALFORMED",
    "REASON",
    "RULE",
    "SAID",
    "SAYABLE",
    "Reader",
    "Reading",
    "Reason",
    "Said",
    "StewardMapping",
    "arrival",
    "author",
    "author_of",
    "decision",
    "decision_id",
    "directory_word",
    "label_word",
    "malformed",
    "patient_of",
    "read_list",
    "read_reasons",
    "sayable",
    "word",
    "word_in",
]
