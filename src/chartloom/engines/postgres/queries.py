"""SQL of the writers by name; that of the readers is in ``queries_read``, the schema in ``sql/``.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.stats import BUCKETS

# Schema and site

VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""

PARTITIONS = "SELECT keep_partitions(%s::int4)"

SITE = "SELECT namespace, key_check, lanes, first_day FROM site"

SITE_INSERT = """
INSERT INTO site (namespace, key_check, lanes, first_day) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING"""

LANES_INSERT = """
INSERT INTO lane (lane) SELECT generate_series(0, %s::int - 1) ON CONFLICT DO NOTHING"""

# Landing

HEAD_LOCK = "SELECT position FROM log_head FOR UPDATE"

KEYS_KNOWN = "SELECT key, digest, position FROM landed_key WHERE key = ANY(%b::int8[])"

LANDING = Table(
    "landing",
    (
        ("position", "int8"),
        ("received_at_us", "int8"),
        ("size_bytes", "int4"),
        ("lane", "int2"),
        ("conflict", "bool"),
        ("feed", "text"),
        ("control_id", "text"),
        ("message_type", "text"),
        ("source_patient", "text"),
        ("body", "bytea"),
    ),
)
FEED_COUNTS = Table(
    "feed_minute_in",
    (
        ("feed", "text"),
        ("minute", "int4"),
        ("received_count", "int4"),
        ("duplicate_count", "int4"),
        ("conflict_count", "int4"),
        ("last_received_us", "int8"),
    ),
)
LANDED_KEY = Table("landed_key", (("key", "int8"), ("position", "int8"), ("digest", "bytea")))

CHANNEL = "chartloom_landed"
NOTIFY = f"NOTIFY {CHANNEL}"
LISTEN = f"LISTEN {CHANNEL}"

_LANDING_INSERT = f"""
landed AS (INSERT INTO landing ({LANDING.names}) SELECT * FROM unnest({LANDING.arrays})),"""

_LAND = f"""
keys AS (INSERT INTO landed_key ({LANDED_KEY.names}) SELECT * FROM unnest({LANDED_KEY.arrays})),
counts AS (
    INSERT INTO feed_minute_in AS f ({FEED_COUNTS.names})
    SELECT * FROM unnest({FEED_COUNTS.arrays})
    ON CONFLICT (feed, minute) DO UPDATE SET
        received_count = f.received_count + excluded.received_count,
        duplicate_count = f.duplicate_count + excluded.duplicate_count,
        conflict_count = f.conflict_count + excluded.conflict_count,
        last_received_us = greatest(f.last_received_us, excluded.last_received_us)
),
head AS (UPDATE log_head SET position = %s::int8)
SELECT pg_notify('{CHANNEL}', '')"""

#: All that a landing writes, as one statement.
LAND = f"WITH {_LANDING_INSERT} {_LAND}"

#: The usual case as one call, see 0005_access.sql: function and parameters.
LAND_NEW = "land_new"
LAND_NEW_KINDS = (
    *("text", "bytea"),  # claim
    "int8",  # first position
    *("int8[]", "int4[]", "int2[]", "text[]", "text[]", "text[]", "text[]", "bytea[]"),
    *("int8[]", "bytea[]"),  # keys
    *("text[]", "int4[]", "int4[]", "int8[]"),  # statistics
)

# Lanes

LANE_KEY_CLASS = 0x4C4E  #: first key of the advisory locks that are the leases

WORKER_KEY_CLASS = 0x574B  #: first key of the advisory locks by which workers say they are alive
WORKER_PRESENT = "SELECT pg_advisory_lock(%s, pg_backend_pid())"
WORKER_GONE = "SELECT pg_advisory_unlock(%s, pg_backend_pid())"
WORKERS_PRESENT = """
SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s::int8::oid
AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

LANE_TRY = "SELECT pg_try_advisory_lock(%s, %s)"
LANE_UNLOCK = "SELECT pg_advisory_unlock(%s, l) FROM unnest(%b::int4[]) l"
LANE_OWNER = "UPDATE lane SET owner = %s WHERE lane = ANY(%b::int2[])"

#: An owner that is still written there was never asked to go: it died, unless it is ourselves.
LANE_TAKE = """
UPDATE lane SET owner = %(owner)s, deaths = least(100, deaths + d.died),
    tries = least(100, tries + CASE WHEN trying <> 0 THEN d.died ELSE 0 END)
FROM (
    SELECT lane, (owner <> '' AND lane <> ALL(%(survived)b::int2[]))::int AS died
    FROM lane WHERE lane = ANY(%(lanes)b::int2[])
) d WHERE lane.lane = d.lane
RETURNING lane.lane, deaths"""

LANE_TRYING = """
UPDATE lane SET trying = %(position)s, tries = CASE WHEN trying = %(position)s THEN tries ELSE 0 END
WHERE lane = %(lane)s RETURNING tries"""

LANE_WELL = "UPDATE lane SET deaths = 0, trying = 0, tries = 0 WHERE lane = ANY(%b::int2[])"

_HEADER = """
SELECT m.position, m.feed, m.received_at_us, m.lane, m.control_id, m.message_type,
       m.source_patient, m.conflict"""

_PENDING = """
WITH next AS MATERIALIZED (
    SELECT n.* FROM lane c CROSS JOIN LATERAL (
        SELECT position, size_bytes FROM landing l
        WHERE l.lane = c.lane AND l.position > c.cursor
        ORDER BY l.position LIMIT %(limit)s
    ) n WHERE c.lane = ANY(%(lanes)b::int2[])
), bounded AS (
    SELECT position, sum(size_bytes) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes,
           row_number() OVER (ORDER BY position) AS number
    FROM next
), chosen AS MATERIALIZED (
    SELECT position FROM bounded WHERE (bytes <= %(bytes)s OR number = 1) AND number <= %(limit)s
){row}
FROM chosen p CROSS JOIN LATERAL (SELECT * FROM landing l WHERE l.position = p.position) m
ORDER BY m.position"""

_PENDING_RETRY = """{row}
FROM retry r CROSS JOIN LATERAL (SELECT * FROM landing l WHERE l.position = r.position) m
WHERE r.lane = ANY(%(lanes)b::int2[]) ORDER BY r.position LIMIT %(retries)s"""

PENDING = _PENDING.format(row=f"{_HEADER}, m.body")
PENDING_RETRY = _PENDING_RETRY.format(row=f"{_HEADER}, m.body")
#: The same without bodies, which are then read one by one.
PENDING_HEADERS = _PENDING.format(row=_HEADER)
PENDING_RETRY_HEADERS = _PENDING_RETRY.format(row=_HEADER)
BODY_AT = "SELECT body FROM landing WHERE position = %s"

#: What ``Bodies.open_state`` takes. An empty body: all that is known of the resource is what one
#: message said, and that is in the message's bundle.
STATE = """id, source_patient, directory, revision, body, labels, version,
CASE WHEN body = '' THEN (
    SELECT b.body FROM bundle b WHERE b.position = resource.version AND b.ordinal = 0) END"""
STATE_WIDTH = 8  #: columns of it

STATES = f"SELECT {STATE} FROM resource WHERE id = ANY(%b::text[])"

VIEWS = """
SELECT v.source_patient, v.section, v.part, v.total, v.revision, v.body, v.labels
FROM unnest(%b::text[], %b::int2[], %b::int4[], %b::int4[])
    k (source_patient, section, part, labels)
JOIN view v USING (source_patient, section, part, labels)"""

REFILL = f"""
SELECT {STATE} FROM resource
WHERE source_patient = %s AND section = %s AND section <> 0 AND part = %s AND NOT hidden
    AND labels = %s
ORDER BY sort_us DESC, id DESC LIMIT %s"""

# Commit

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
