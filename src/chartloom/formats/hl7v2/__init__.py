"""HL7 v2 (ER7) messages, versions 2.1 to 2.9: bytes to a tree and back, and answers to senders.

``parse`` never raises; findings are Issues. Spans are byte offsets in the verbatim message.
``peek`` looks at the header only, ``acknowledge`` answers it, ``split_batch`` cuts files apart.
"""

from chartloom.formats.hl7v2.ack import CONDITIONS, AckError, acknowledge
from chartloom.formats.hl7v2.batch import BatchSplit, split_batch
from chartloom.formats.hl7v2.charset import codec_for
from chartloom.formats.hl7v2.delimiters import DEFAULT, Delimiters, delimiters
from chartloom.formats.hl7v2.escapes import escape, unescape
from chartloom.formats.hl7v2.leaves import Leaf
from chartloom.formats.hl7v2.parse import DEFAULT_LIMITS, ParseLimits, parse
from chartloom.formats.hl7v2.patient import NO_PATIENT, PatientKey, pick_patient
from chartloom.formats.hl7v2.peek import Peek, peek
from chartloom.formats.hl7v2.query import Authority, Parameter, Query, QueryKind, read_query
from chartloom.formats.hl7v2.source import NULL, Source
from chartloom.formats.hl7v2.tree import Segment, Tree, serialise

__all__ = [
    "CONDITIONS",
    "DEFAULT",
    "DEFAULT_LIMITS",
    "NO_PATIENT",
    "NULL",
    "AckError",
    "Authority",
    "BatchSplit",
    "Delimiters",
    "Leaf",
    "Parameter",
    "ParseLimits",
    "PatientKey",
    "Peek",
    "Query",
    "QueryKind",
    "Segment",
    "Source",
    "Tree",
    "acknowledge",
    "codec_for",
    "delimiters",
    "escape",
    "parse",
    "peek",
    "pick_patient",
    "read_query",
    "serialise",
    "split_batch",
    "unescape",
]
