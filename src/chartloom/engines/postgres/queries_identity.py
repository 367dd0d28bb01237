"""SQL of who is one person, by name; the functions that these belong to are in ``sql/0014``,
``0041`` and ``0047``.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from typing import Final

from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.calls import Statement, call

#: The lock of all clusters, to the end of the transaction; ``batch_persons`` takes it too.
ALONE: Final = "SELECT pg_advisory_xact_lock(19535, 0)"

# What is matched

DIGESTS: Final = Statement(
    "match_digests",
    "SELECT source_patient, digest FROM match_digests($1, $2, $3)",
    ("text", "bytea", "text[]"),
)

#: A row is one of three things, see there.
MATCH_PUT: Final = Statement(
    "match_put",
    "SELECT kind, key, numbers, added, gone, number, source_patient, position, digest, body, busy,"
    " generation, wrapped FROM match_put($1, $2, $3, $4, $5, $6, $7, $8)",
    ("text[]", "int8[]", "bytea[]", "bytea[]", "int8[]", "int4[]", "int4[]", "int4"),
)

PARAMETERS_PUT: Final = """
INSERT INTO match_parameters (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"""
PARAMETERS: Final = "SELECT version FROM match_parameters WHERE fingerprint = %s"

# Decisions

DECISION = Table(
    "identity_decision",
    (
        ("position", "int8"),
        ("weight", "float8"),
        ("version", "int2"),
        ("apart", "bool"),
        ("low", "text"),
        ("high", "text"),
        ("outcome", "text"),
        ("rule", "text"),
        ("guard", "text"),
        ("evidence", "text"),
    ),
)

#: Of records that changed ($1): what was decided about them is decided again, unless the other one
#: does not open ($2).
DECISIONS_DROP: Final = Statement(
    "identity_drop",
    "DELETE FROM identity_decision WHERE (low = ANY($1) OR high = ANY($1))"
    " AND low <> ALL($2) AND high <> ALL($2) RETURNING low, high",
    ("text[]", "text[]"),
)

#: $1: carriers of keys that have become too common. Their pairs that share no other key are no
#: candidates any more.
DECISIONS_FORGET: Final = Statement(
    "identity_forget",
    """
    DELETE FROM identity_decision d USING match_record a, match_record b
    WHERE a.number = ANY($1) AND b.number = ANY($1)
        AND d.low = a.source_patient AND d.high = b.source_patient
        AND NOT EXISTS (
            SELECT FROM (SELECT unnest(a.keys) INTERSECT SELECT unnest(b.keys)) k (key)
            WHERE NOT EXISTS (SELECT FROM match_key c WHERE c.key = k.key OFFSET $2))
    RETURNING d.low, d.high""",
    ("int4[]", "int4"),
)

DECISIONS_PUT: Final = Statement(
    "identity_put",
    f"""
    INSERT INTO identity_decision AS d ({DECISION.names})
    SELECT {", ".join(f"unnest(${i})" for i in range(1, len(DECISION.columns) + 1))}
    ON CONFLICT (low, high) DO UPDATE SET
        position = excluded.position, weight = excluded.weight, version = excluded.version,
        apart = excluded.apart, outcome = excluded.outcome, rule = excluded.rule,
        guard = excluded.guard, evidence = excluded.evidence""",
    [f"{kind}[]" for kind in DECISION.types],
)

# What hangs together

#: A row is one of four things, see there.
AROUND: Final = Statement(
    "identity_around",
    "SELECT kind, a, b, outcome, weight, rule, guard, apart, since_us, two, reason, state, said,"
    " event_us, position, ordinal, actor, up_to, looked, beside FROM identity_around($1)",
    ("text[]",),
)

_WORD: Final = """
    SELECT surviving, prior, kind, event_us, position, ordinal, rule, actor, reason, up_to,
        two, looked, beside
    FROM link"""
#: In the order in which they count.
_WORDS: Final = f"""
    {_WORD} WHERE surviving = ANY($1) UNION {_WORD} WHERE prior = ANY($1)
    ORDER BY event_us, position, ordinal"""
WORDS: Final = Statement("identity_words", _WORDS, ("text[]",))
WORDS_READ: Final = _WORDS.replace("$1", "%(ids)b::text[]")

MATCH_RECORDS: Final = Statement(
    "match_records",
    "SELECT source_patient, digest, body FROM match_record WHERE source_patient = ANY($1)",
    ("text[]",),
)

# What is written of it

MEMBERSHIP = Table(
    "membership",
    (
        ("at_us", "int8"),
        ("position", "int8"),
        ("source_patient", "text"),
        ("person_before", "text"),
        ("person_id", "text"),
        ("cause", "text"),
    ),
)
MOVED: Final = call("identity_moved", (*(f"{kind}[]" for kind in MEMBERSHIP.types), "bool"))

REVIEW = Table(
    "identity_review",
    (
        ("weight", "float8"),
        ("since_us", "int8"),
        ("position", "int8"),
        ("two", "bool"),
        ("low", "text"),
        ("high", "text"),
        ("reason", "text"),
        ("state", "text"),
    ),
)
REVIEW_PUT: Final = Statement(
    "identity_review_put",
    f"""
    INSERT INTO identity_review ({REVIEW.names})
    SELECT {", ".join(f"unnest(${i})" for i in range(1, len(REVIEW.columns) + 1))}
    ON CONFLICT (low, high) DO UPDATE SET
        weight = excluded.weight, since_us = excluded.since_us, position = excluded.position,
        two = excluded.two, reason = excluded.reason, state = excluded.state""",
    [f"{kind}[]" for kind in REVIEW.types],
)

# What people ask

_REVIEW_ROW: Final = "SELECT low, high, weight, since_us, two, reason, state FROM identity_review r"
_QUEUED: Final = "ORDER BY two, rank, low, high LIMIT %(limit)s"
#: Where the review of a record stands is for whoever asks: see ``record_reviews``. So there are two
#: halves, of which each is read in the order of an index.
_REVIEWS: Final = """
    SELECT low, high, weight, since_us, two, reason, state FROM (
        (SELECT * FROM identity_review WHERE low <> high{state}{more} {queued})
        UNION ALL
        (SELECT * FROM identity_review WHERE low = high{more} {queued})
    ) r {queued}"""
_AFTER: Final = """
    AND (two, rank, low, high) > (
        SELECT a.two, a.rank, a.low, a.high FROM identity_review a
        WHERE a.low = %(low)s AND a.high = %(high)s)"""


def reviews(*, state: bool, reason: bool, after: bool) -> str:
    """Reviews in the order of the queue, %(limit)s of them.

    state: only pairs in %(state)s; reason: only those for %(reason)s; after: only what comes behind
    the pair of %(low)s and %(high)s.
    """
    return _REVIEWS.format(
        state=" AND state = %(state)s" if state else "",
        more=(" AND reason = %(reason)s" if reason else "") + (_AFTER if after else ""),
        queued=_QUEUED,
    )


REVIEW_ONE: Final = f"{_REVIEW_ROW} WHERE low = %s AND high = %s"

#: What waits of pairs of two persons, and pairs that do not wait; these are counted as written.
QUEUE_COUNTS: Final = """
    SELECT state, reason, count, since_us FROM identity_questions() UNION ALL
    SELECT state, reason, count, 0 FROM identity_counts() WHERE state = 'closed'"""
#: The reviews about the same two persons as each of these, by the place of the pair.
BETWEEN: Final = "SELECT * FROM identity_between(%b::text[], %b::text[], %b)"
DECIDED_BETWEEN: Final = "SELECT * FROM identity_decided_between(%s, %s)"
REVIEWS_AT: Final = f"""{_REVIEW_ROW}
    JOIN unnest(%b::text[], %b::text[]) u (of_low, of_high) ON low = of_low AND high = of_high"""
REVIEWS_OF_RECORDS: Final = f"{_REVIEW_ROW} WHERE low = high"
RECORDS: Final = "SELECT identity_records()"
#: Of pairs about which two people or more spoke: those who said the same last, and the others.
QUEUE_AGREEMENT: Final = """
    SELECT count(*) FILTER (WHERE agreed), count(*) FILTER (WHERE NOT agreed)
    FROM identity_spoken"""

_DECISION_ROW: Final = """
    SELECT d.low, d.high, d.outcome, d.weight, d.rule, d.guard, d.evidence, p.fingerprint,
           d.position
    FROM identity_decision d JOIN match_parameters p ON p.version = d.version"""
DECISION_ONE: Final = f"{_DECISION_ROW} WHERE d.low = %s AND d.high = %s"
DECISIONS_OF: Final = f"""
    SELECT * FROM (
        {_DECISION_ROW} WHERE d.low = ANY(%(ids)s) UNION {_DECISION_ROW} WHERE d.high = ANY(%(ids)s)
    ) d ORDER BY weight DESC, low, high LIMIT %(limit)s"""
#: The two records of a pair that shares a key that is one.
MATCHED_PAIR: Final = """
    SELECT m.source_patient, m.position, m.digest, m.body FROM match_record m
    WHERE m.source_patient IN (%(low)s, %(high)s) AND EXISTS (
        SELECT FROM match_record a JOIN match_record b ON b.source_patient = %(high)s
        CROSS JOIN LATERAL (SELECT unnest(a.keys) INTERSECT SELECT unnest(b.keys)) k (key)
        WHERE a.source_patient = %(low)s AND NOT EXISTS (
            SELECT FROM match_key c WHERE c.key = k.key OFFSET %(most)s))
    ORDER BY m.source_patient"""

MEMBERSHIPS: Final = """
    SELECT source_patient, person_before, person_id, at_us, position, cause FROM membership
    WHERE source_patient = ANY(%s) ORDER BY seq"""

#: Those who carry one of these keys, if it is one for somebody more who would carry it.
CANDIDATES: Final = """
    SELECT m.source_patient, p.person_id, m.digest, m.body FROM (
        SELECT DISTINCT n FROM unnest(%(keys)s::int8[]) k (key) CROSS JOIN LATERAL (
            SELECT array_agg(number) AS numbers FROM (
                SELECT number FROM match_key c WHERE c.key = k.key LIMIT %(most)s + 1) l
        ) c CROSS JOIN LATERAL unnest(c.numbers) n
        WHERE cardinality(c.numbers) <= %(most)s
    ) met
    JOIN match_record m ON m.number = met.n JOIN person p ON p.source_patient = m.source_patient"""

PARAMETERS_USED: Final = """
    SELECT fingerprint FROM match_parameters p
    WHERE EXISTS (SELECT FROM identity_decision d WHERE d.version = p.version)
    ORDER BY fingerprint"""
