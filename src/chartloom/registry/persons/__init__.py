"""Who is one person: pure functions over FHIR Patients. No IO, no clock, no random number.

:func:`standardise` a Patient, find others by :func:`keys`, :func:`decide` about each pair,
:func:`cluster` the decisions. :class:`Matcher` does all of it in memory.
"""

from chartloom.registry.persons.beside import Marks, lifted_beside, mark, settled_beside, settling
from chartloom.registry.persons.cluster import Clusters, Pair, Review, cluster, pair_of
from chartloom.registry.persons.compare import compare
from chartloom.registry.persons.comparison import LEVELS, Comparison
from chartloom.registry.persons.decide import (
    Decision,
    Evidence,
    Outcome,
    decide,
    evidence,
    is_overlay,
)
from chartloom.registry.persons.index import Matcher, Told, candidate_pairs, match_all
from chartloom.registry.persons.keys import keys
from chartloom.registry.persons.numbers import has_more_numbers
from chartloom.registry.persons.overlay_words import is_about, is_released, record_state
from chartloom.registry.persons.parameters import Parameters, default_parameters, dump, load
from chartloom.registry.persons.population import among, is_fit, thresholds, thresholds_of
from chartloom.registry.persons.record import Home, Kind, MatchRecord, Number
from chartloom.registry.persons.standardise import standardise
from chartloom.registry.persons.weigh import weigh
from chartloom.registry.persons.words import (
    Standing,
    by_pair,
    contested,
    last_words,
    merged_into,
    people_spoke,
    said_by_people,
    standing,
    standing_of,
    standing_people,
    two_needed,
    waits_for_second,
)

__all__ = [
    "LEVELS",
    "Clusters",
    "Comparison",
    "Decision",
    "Evidence",
    "Home",
    "Kind",
    "Marks",
    "MatchRecord",
    "Matcher",
    "Number",
    "Outcome",
    "Pair",
    "Parameters",
    "Review",
    "Standing",
    "Told",
    "among",
    "by_pair",
    "candidate_pairs",
    "cluster",
    "compare",
    "contested",
    "decide",
    "default_parameters",
    "dump",
    "evidence",
    "has_more_numbers",
    "is_about",
    "is_fit",
    "is_overlay",
    "is_released",
    "keys",
    "last_words",
    "lifted_beside",
    "load",
    "mark",
    "match_all",
    "merged_into",
    "pair_of",
    "people_spoke",
    "record_state",
    "said_by_people",
    "settled_beside",
    "settling",
    "standardise",
    "standing",
    "standing_of",
    "standing_people",
    "thresholds",
    "thresholds_of",
    "two_needed",
    "waits_for_second",
    "weigh",
]
