"""SQL of the readers and of the levers that people pull, by name.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from chartloom.engines.postgres.calls import Statement
from chartloom.engines.postgres.held import PERSON
from chartloom.engines.postgres.queries import STATE

# Persons

PERSONS_OF = Statement(
    "persons_of",
    """
SELECT m.person_id, array_agg(m.source_patient ORDER BY m.source_patient)
FROM person m WHERE m.person_id IN (
    SELECT person_id FROM person WHERE source_patient = ANY($1) OR person_id = ANY($1))
GROUP BY m.person_id""",
    ("text[]",),
)
#: The same while what held before holds.
PERSONS_OF_HELD = f"""
SELECT m.person_id, array_agg(m.source_patient ORDER BY m.source_patient)
FROM {PERSON} m WHERE m.person_id IN (
    SELECT person_id FROM {PERSON} a
    WHERE source_patient = ANY(%(ids)b::text[]) OR person_id = ANY(%(ids)b::text[]))
GROUP BY m.person_id"""

FIND_IDENTIFIER = """
SELECT DISTINCT source_patient FROM identifier WHERE blind = ANY(%b::bytea[])
ORDER BY source_patient LIMIT %s"""

RECENT = """
SELECT source_patient, max(position) AS newest FROM (
    SELECT source_patient, position FROM bundle
    WHERE source_patient <> '' AND (%(everyone)s OR source_patient = ANY(%(persons)b::text[]))
        AND labels & %(forbidden)s::int4 = 0
    ORDER BY position DESC LIMIT %(window)s
) b GROUP BY source_patient ORDER BY newest DESC LIMIT %(limit)s"""

# Charts

SECTIONS = Statement(
    "sections_of",
    """
SELECT source_patient, section, part, total, revision, body, labels FROM view
WHERE source_patient = ANY($1) AND labels & $2 = 0
ORDER BY source_patient, section, part, labels""",
    ("text[]", "int4"),
)

#: Which feed spoke last of each visible resource of some sections; nothing sealed is opened.
SPEAKERS = Statement(
    "speakers_of",
    """
SELECT r.id, o.feed FROM resource r JOIN outcome o ON o.position = r.version
WHERE r.source_patient = ANY($1) AND r.section = ANY($2) AND r.section <> 0
    AND NOT r.hidden AND r.labels & $3 = 0
    AND ($4 = '{}' OR r.id = ANY($4))""",
    ("text[]", "int2[]", "int4", "text[]"),
)

#: A state with where it stands.
PLACED = f"{STATE}, section, part, sort_us, series, hidden"

#: The rows are chosen by index; only those that are shown are then read whole.
TIMELINE = f"""
SELECT {PLACED} FROM (
    SELECT newest.id FROM unnest(%(patients)b::text[]) p
    CROSS JOIN unnest(%(sections)b::int2[]) s
    CROSS JOIN LATERAL (
        SELECT r.id, r.sort_us FROM resource r
        WHERE r.source_patient = p AND r.section = s AND r.section <> 0 AND NOT r.hidden
            AND r.labels & %(forbidden)s::int4 = 0
            AND r.sort_us <= %(before)s AND (r.sort_us, r.id) < (%(before)s, %(before_id)s)
        ORDER BY r.sort_us DESC, r.id DESC LIMIT %(limit)s
    ) newest ORDER BY newest.sort_us DESC, newest.id DESC LIMIT %(limit)s
) chosen JOIN resource USING (id) ORDER BY sort_us DESC, id DESC"""

SERIES = f"""
SELECT {PLACED} FROM (
    SELECT newest.id FROM unnest(%(patients)b::text[]) p
    CROSS JOIN LATERAL (
        SELECT r.id, r.sort_us FROM resource r
        WHERE r.source_patient = p AND r.series = %(series)s AND r.series <> '' AND NOT r.hidden
            AND r.labels & %(forbidden)s::int4 = 0
            AND r.section = ANY(%(sections)b::int2[])
            AND r.sort_us <= %(before)s AND (r.sort_us, r.id) < (%(before)s, %(before_id)s)
        ORDER BY r.sort_us DESC, r.id DESC LIMIT %(limit)s
    ) newest ORDER BY newest.sort_us DESC, newest.id DESC LIMIT %(limit)s
) chosen JOIN resource USING (id) ORDER BY sort_us DESC, id DESC"""

RESOURCE_PLACE = """
SELECT source_patient, directory, version FROM resource WHERE id = %s AND labels & %s::int4 = 0"""

# Messages

_ROW = """m.position, m.feed, coalesce(o.message_type, m.message_type),
       coalesce(o.control_id, m.control_id), m.received_at_us, coalesce(o.applied_at_us, 0),
       coalesce(o.source_patient, m.source_patient), m.size_bytes, coalesce(o.issue_count, 0),
       coalesce(o.unmapped_count, 0), o.quarantine"""

#: Any message: landing first, what became of it beside it.
SEARCH_LANDING = f"""
SELECT {_ROW} FROM landing m LEFT JOIN outcome o USING (position) WHERE {{where}}
ORDER BY m.position DESC LIMIT %(limit)s"""

#: Consumed messages only: never touches the wide log.
SEARCH_OUTCOME = """
SELECT o.position, o.feed, o.message_type, o.control_id, o.received_at_us, o.applied_at_us,
       o.source_patient, o.size_bytes, o.issue_count, o.unmapped_count, o.quarantine
FROM outcome o WHERE {where} ORDER BY o.position DESC LIMIT %(limit)s"""

DETAIL = f"""
SELECT {_ROW}, m.lane, m.conflict, m.control_id, m.message_type, m.source_patient, m.body,
       coalesce(v.fingerprint, ''), o.labels
FROM landing m LEFT JOIN outcome o USING (position)
LEFT JOIN project_version v ON v.version = o.project_version WHERE m.position = %s"""

BUNDLES = """
SELECT ordinal, source_patient, body, labels FROM bundle WHERE position = %s ORDER BY ordinal"""

HISTORY = """
SELECT position FROM bundle
WHERE source_patient = %s AND position(%b in touched) > 0 AND labels & %s::int4 = 0
ORDER BY position DESC LIMIT %s"""

BUNDLES_AT = """
SELECT position, ordinal, source_patient, body, labels FROM bundle
WHERE position = ANY(%b::int8[]) AND source_patient = %s"""

FEEDS_IN = """
SELECT feed, sum(received_count), sum(duplicate_count), max(last_received_us) FROM (
    SELECT feed, received_count, duplicate_count, last_received_us FROM feed_minute_in
    UNION ALL SELECT feed, received_count, duplicate_count, last_received_us FROM feed_total
) f GROUP BY feed ORDER BY feed"""

FEEDS_OUT = """
SELECT feed, sum(applied_count), sum(quarantined_count), sum(issue_count), max(last_event_us)
FROM (
    SELECT feed, applied_count, quarantined_count, issue_count, last_event_us FROM feed_minute_out
    UNION ALL
    SELECT feed, applied_count, quarantined_count, issue_count, last_event_us FROM feed_total
) f GROUP BY feed"""

FEED_RATES = "SELECT feed, minute, received_count FROM feed_minute_in WHERE minute > %s"

FEED_LATENCIES = "SELECT feed, latency FROM feed_minute_out WHERE minute > %s"

WAITING = """
SELECT (SELECT coalesce(sum(received_count), 0) FROM feed_minute_in)
     - (SELECT coalesce(sum(applied_count + quarantined_count), 0) FROM feed_minute_out)
     + (SELECT coalesce(sum(received_count - applied_count - quarantined_count), 0)
        FROM feed_total)"""

RETRY_PUT = """
INSERT INTO retry (position, lane)
SELECT o.position, l.lane FROM outcome o
CROSS JOIN LATERAL (SELECT lane FROM landing l WHERE l.position = o.position) l
WHERE o.quarantine <> '' AND {where} ON CONFLICT DO NOTHING RETURNING position"""

RETRY_FORGET_OUTCOME = """
DELETE FROM outcome WHERE position = ANY(%b::int8[]) RETURNING feed, issue_count"""
RETRY_FORGET_BUNDLE = "DELETE FROM bundle WHERE position = ANY(%b::int8[])"
RETRY_FORGET_LINKS = "DELETE FROM link WHERE position = ANY(%b::int8[])"

_DERIVED = """
    care, resource, outcome, bundle, view, person, record_number, link, identifier,
    person_label, label_word, feed_minute_out, issue_day, retry,
    match_record, match_key, identity_decision, identity_review, membership, overlay_stop,
    unknown_reference, identity_total, identity_spoken,
    match_stale, match_due, match_afresh"""
DERIVED_EMPTY = f"TRUNCATE {_DERIVED} RESTART IDENTITY"
# Readers lock some of these in an order of their own. Whoever empties them gives way before the
# server would call it a deadlock (deadlock_timeout, 1 s) and end one of the two.
DERIVED_LOCK_PATIENCE = "SET LOCAL lock_timeout = '100ms'"
DERIVED_LOCKED = "SET LOCAL lock_timeout = 0"
DERIVED_LOCK = f"LOCK TABLE {_DERIVED} IN ACCESS EXCLUSIVE MODE"
TOTALS_EMPTY = """
UPDATE feed_total SET
    applied_count = 0, quarantined_count = 0, issue_count = 0, last_event_us = 0"""
LANES_REWIND = "UPDATE lane SET cursor = 0"
LANES_LOCK = "SELECT lane FROM lane ORDER BY lane FOR UPDATE"
GENERATION_NEXT = """
UPDATE log_head SET generation = generation + 1, replay_until = position"""

# Digest

DIGEST_STATES = f"SELECT {PLACED}, rank, event_us, version FROM resource"
# An empty view says the same as none; which of the two there is depends on batching.
DIGEST_VIEWS = """
SELECT source_patient, section, part, total, revision, body, labels FROM view
WHERE total > 0"""
DIGEST_BUNDLES = "SELECT position, ordinal, source_patient, body, labels FROM bundle"
DIGEST_PLAIN = (
    "SELECT source_patient, person_id FROM person",
    "SELECT position, ordinal, kind, surviving, prior, rule, event_us, actor, reason, up_to, "
    "two, looked, beside FROM link",
    "SELECT low, high, outcome, weight, rule, guard, apart, evidence FROM identity_decision",
    "SELECT low, high, weight, reason, state, two FROM identity_review WHERE state <> 'closed'",
    "SELECT source_patient, encode(digest, 'hex'), keys FROM match_record",
    "SELECT encode(blind, 'hex'), source_patient FROM identifier",
    "SELECT encode(blind, 'hex'), source_patient FROM record_number",
    "SELECT resource_id, source_patient, who, kind, start_us, end_us FROM care",
    "SELECT source_patient, labels FROM person_label",
    "SELECT resource_id, source_patient, type, added, lifted, asked FROM label_word",
    "SELECT position, feed, event_us, issue_count, unmapped_count, quarantine, labels FROM outcome",
)

MADE_ANEW = "SELECT made_anew()"
