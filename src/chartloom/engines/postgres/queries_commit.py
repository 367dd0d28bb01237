"""SQL of a commit by name: what is written of a batch, of persons, and of versions of the project.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.stats import BUCKETS

FENCE = "SELECT lane, cursor FROM lane WHERE lane = ANY(%b::int2[]) ORDER BY lane FOR UPDATE"

GENERATION = "SELECT generation, replay_until FROM log_head"

#: How many messages lie between each lane's cursor and the end of the batch in that lane.
BETWEEN = """
SELECT u.lane, n.count
FROM unnest(%b::int2[], %b::int8[]) u (lane, upto) JOIN lane c ON c.lane = u.lane
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM landing l
    WHERE l.lane = c.lane AND l.position > c.cursor AND l.position <= u.upto
) n"""

RETRY_TAKE = "DELETE FROM retry WHERE position = ANY(%b::int8[]) RETURNING position"

CURSORS = """
UPDATE lane SET cursor = greatest(cursor, u.upto)
FROM unnest(%b::int2[], %b::int8[]) u (lane, upto) WHERE lane.lane = u.lane"""

OUTCOME = Table(
    "outcome",
    (
        ("position", "int8"),
        ("received_at_us", "int8"),
        ("applied_at_us", "int8"),
        ("event_us", "int8"),
        ("size_bytes", "int4"),
        ("issue_count", "int4"),
        ("mapped_count", "int4"),
        ("ignored_count", "int4"),
        ("unmapped_count", "int4"),
        ("project_version", "int2"),
        ("feed", "text"),
        ("message_type", "text"),
        ("control_id", "text"),
        ("source_patient", "text"),
        ("quarantine", "text"),
        ("labels", "int4"),
    ),
)
BUNDLE = Table(
    "bundle",
    (
        ("position", "int8"),
        ("ordinal", "int2"),
        ("source_patient", "text"),
        ("touched", "bytea"),
        ("body", "bytea"),
        ("labels", "int4"),
    ),
)
RESOURCE = Table(
    "resource",
    (
        ("sort_us", "int8"),
        ("version", "int8"),
        ("event_us", "int8"),
        ("revision", "int4"),
        ("rank", "int4"),
        ("part", "int4"),
        ("section", "int2"),
        ("hidden", "bool"),
        ("directory", "bool"),
        ("id", "text"),
        ("source_patient", "text"),
        ("type", "text"),
        ("series", "text"),
        ("body", "bytea"),
        ("labels", "int4"),
    ),
)
VIEW = Table(
    "view",
    (
        ("revision", "int4"),
        ("total", "int4"),
        ("part", "int4"),
        ("section", "int2"),
        ("source_patient", "text"),
        ("body", "bytea"),
        ("labels", "int4"),
    ),
)

RESOURCE_UPDATE = f"""
UPDATE resource r SET
    sort_us = u.sort_us, version = u.version, revision = u.revision, part = u.part,
    section = u.section, hidden = u.hidden, source_patient = u.source_patient,
    series = u.series, body = u.body, labels = u.labels
FROM unnest({RESOURCE.arrays}) u ({RESOURCE.names})
WHERE r.id = u.id AND r.revision = u.revision - 1 AND NOT r.directory
RETURNING r.id"""

DIRECTORY_UPSERT = f"""
INSERT INTO resource AS r ({RESOURCE.names})
SELECT * FROM unnest({RESOURCE.arrays})
ON CONFLICT (id) DO UPDATE SET
    rank = excluded.rank, event_us = excluded.event_us, version = excluded.version,
    type = excluded.type, body = excluded.body
WHERE r.directory AND (r.rank, r.event_us, r.version)
    < (excluded.rank, excluded.event_us, excluded.version)"""

VIEW_UPDATE = f"""
UPDATE view v SET revision = u.revision, total = u.total, body = u.body
FROM unnest({VIEW.arrays}) u ({VIEW.names})
WHERE v.source_patient = u.source_patient AND v.section = u.section AND v.part = u.part
    AND v.labels = u.labels AND v.revision = u.revision - 1
RETURNING v.source_patient"""

IDENTIFIERS = """
INSERT INTO identifier (blind, source_patient)
SELECT * FROM unnest(%b::bytea[], %b::text[]) ON CONFLICT DO NOTHING"""

LINK = Table(
    "link",
    (
        ("position", "int8"),
        ("event_us", "int8"),
        ("ordinal", "int2"),
        ("kind", "text"),
        ("surviving", "text"),
        ("prior", "text"),
        ("rule", "text"),
    ),
)

ISSUE_DAY = Table(
    "issue_day",
    (("feed", "text"), ("day", "int4"), ("code", "text"), ("shard", "int8"), ("count", "int4")),
)
ISSUES = f"""
INSERT INTO issue_day AS i ({ISSUE_DAY.names}) SELECT * FROM unnest({ISSUE_DAY.arrays})
ON CONFLICT (feed, day, code, shard) DO UPDATE SET count = i.count + excluded.count"""

FEED_MINUTE_OUT = Table(
    "feed_minute_out",
    (
        ("feed", "text"),
        ("minute", "int4"),
        ("shard", "int8"),
        ("applied_count", "int4"),
        ("quarantined_count", "int4"),
        ("issue_count", "int4"),
        ("last_event_us", "int8"),
        ("latency", "bytea"),
    ),
)
FEED_OUT = f"""
INSERT INTO feed_minute_out AS f ({FEED_MINUTE_OUT.names})
SELECT * FROM unnest({FEED_MINUTE_OUT.arrays})
ON CONFLICT (feed, minute, shard) DO UPDATE SET
    applied_count = excluded.applied_count, quarantined_count = excluded.quarantined_count,
    issue_count = excluded.issue_count, last_event_us = excluded.last_event_us,
    latency = excluded.latency"""

#: Shard 0 belongs to nobody's session: corrections are added up there.
FEED_UNDO = f"""
INSERT INTO feed_minute_out AS f
    (feed, minute, shard, applied_count, quarantined_count, issue_count, last_event_us, latency)
SELECT feed, minute, 0, 0, quarantined, issues, 0, decode(repeat('00', {4 * BUCKETS}), 'hex')
FROM unnest(%b::text[], %b::int4[], %b::int4[], %b::int4[]) u (feed, minute, quarantined, issues)
ON CONFLICT (feed, minute, shard) DO UPDATE SET
    quarantined_count = f.quarantined_count + excluded.quarantined_count,
    issue_count = f.issue_count + excluded.issue_count"""

SHARD = "SELECT next_shard()"

OUTBOX = """
INSERT INTO outbox
    (applied_at_us, replay_until, live, project_version, worker, positions, source_patients)
VALUES (%s, %s, %s, %s, %s, %b::int8[], %b::text[])"""

# Persons

CLUSTER_LOCK = "SELECT pg_advisory_xact_lock(19535, 0)"

PERSON_INSERT = """
INSERT INTO person (source_patient, person_id)
SELECT p, p FROM unnest(%b::text[]) p ON CONFLICT DO NOTHING"""

RECORD_INSERT = """
INSERT INTO record_number (blind, source_patient)
SELECT * FROM unnest(%b::bytea[], %b::text[]) ON CONFLICT DO NOTHING
RETURNING blind"""

#: Who carries each record number, at most so many.
RECORD_CARRIERS = """
SELECT u.blind, c.source_patient FROM unnest(%b::bytea[], %b::int4[]) u (blind, most)
CROSS JOIN LATERAL (
    SELECT source_patient FROM record_number r WHERE r.blind = u.blind LIMIT u.most
) c"""

#: Of how many source patients a record number may be before it is held to identify nobody: it is a
#: placeholder then, and would make one person of all of them.
RECORD_SHARED_MAX = 32

#: Pairs of different source patients with a common record number, one of them given.
RECORD_PAIRS = f"""
SELECT a.source_patient, b.source_patient
FROM record_number a JOIN record_number b ON b.blind = a.blind
WHERE a.source_patient = ANY(%b::text[]) AND a.source_patient <> b.source_patient
    AND NOT EXISTS (
        SELECT FROM record_number c WHERE c.blind = a.blind OFFSET {RECORD_SHARED_MAX})"""

#: Every link event about one of the given source patients, in the order in which they count.
LINK_EVENTS = """
SELECT surviving, prior, kind, event_us, position, ordinal FROM link
WHERE surviving = ANY(%(ids)b::text[])
UNION SELECT surviving, prior, kind, event_us, position, ordinal FROM link
WHERE prior = ANY(%(ids)b::text[])
ORDER BY event_us, position, ordinal"""

PERSON_MATES = """
SELECT m.source_patient, m.person_id FROM person m
WHERE m.person_id IN (SELECT person_id FROM person WHERE source_patient = ANY(%b::text[]))"""

PERSON_UPDATE = """
UPDATE person p SET person_id = u.person_id
FROM unnest(%b::text[], %b::text[]) u (source_patient, person_id)
WHERE p.source_patient = u.source_patient"""

# Versions of the project

VERSION_ID = "SELECT version FROM project_version WHERE fingerprint = %s"
VERSION_INSERT = """
INSERT INTO project_version (fingerprint, files) VALUES (%s, %s) ON CONFLICT (fingerprint)
DO UPDATE SET files = excluded.files WHERE project_version.files IS NULL"""
VERSION_FILES = "SELECT files FROM project_version WHERE fingerprint = %s"
