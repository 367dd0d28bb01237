"""SQL of the site, the landing and the lanes by name; the schema is in ``sql/``.

Other SQL: ``queries_commit``, ``queries_read``, ``queries_tidy``, ``queries_protection``.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.calls import Statement, call

# Schema and site

VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    checksum   bytea
)"""

#: In stores of the versions that kept no checksums it is null.
VERSION_CHECKSUMS = "ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS checksum bytea"

VERSIONS = "SELECT version, name, checksum FROM schema_version ORDER BY version"

VERSION_PUT = """
INSERT INTO schema_version (version, name, checksum) VALUES (%s, %s, %s)
ON CONFLICT (version) DO UPDATE SET checksum = EXCLUDED.checksum"""

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

#: The usual case as one call, see 0005_access.sql.
LAND_NEW = call(
    "land_new",
    (
        *("text", "bytea"),  # claim
        "int8",  # first position
        *("int8[]", "int4[]", "int2[]", "text[]", "text[]", "text[]", "text[]", "bytea[]"),
        *("int8[]", "bytea[]"),  # keys
        *("text[]", "int4[]", "int4[]", "int8[]"),  # statistics
    ),
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

#: Without bodies, which are then read one by one.
PENDING_HEADERS = _PENDING.format(row=_HEADER)
PENDING_RETRY_HEADERS = _PENDING_RETRY.format(row=_HEADER)
BODY_AT = "SELECT body FROM landing WHERE position = %s"

#: See ``sql/0012_batch.sql`` and ``sql/0071_nobody_told_of.sql``.
PENDING = Statement(
    "pending",
    "SELECT * FROM pending_messages($1, $2, $3, $4, $5, $6, $7)",
    ("text", "bytea", "int2[]", "int8", "int4", "int8", "int4"),
)
CURRENT_STATES = Statement(
    "states", "SELECT * FROM current_states($1, $2, $3)", ("text", "bytea", "text[]")
)
CURRENT_VIEWS = Statement(
    "views",
    "SELECT * FROM current_views($1, $2, $3, $4, $5, $6)",
    ("text", "bytea", "text[]", "int2[]", "int4[]", "int4[]"),
)

#: What ``Bodies.open_state`` takes. An empty body: all that is known of the resource is what one
#: message said, and that is in the message's bundle.
STATE = """id, source_patient, directory, revision, body, labels, version,
CASE WHEN body = '' THEN (
    SELECT b.body FROM bundle b WHERE b.position = resource.version AND b.ordinal = 0) END"""
STATE_WIDTH = 8  #: columns of it

#: As readers ask for them.
STATES = f"SELECT {STATE} FROM resource WHERE id = ANY(%b::text[])"

REFILL = f"""
SELECT {STATE} FROM resource
WHERE source_patient = %s AND section = %s AND section <> 0 AND part = %s AND NOT hidden
    AND labels = %s
ORDER BY sort_us DESC, id DESC LIMIT %s"""
