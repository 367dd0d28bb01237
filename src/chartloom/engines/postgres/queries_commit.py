"""SQL of a commit by name: what is written of a batch, of persons, and of versions of the project.

Only constants are put together here; every value is bound.
"""
# ruff: noqa: S608

from __future__ import annotations

from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.stats import BUCKETS

GENERATION = "SELECT generation, replay_until FROM log_head"

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
        ("actor", "text"),
        ("reason", "text"),
        ("up_to", "int8"),
    ),
)

ISSUE_DAY = Table(
    "issue_day",
    (("feed", "text"), ("day", "int4"), ("code", "text"), ("shard", "int8"), ("count", "int4")),
)

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

# Versions of the project

VERSION_ID = "SELECT version FROM project_version WHERE fingerprint = %s"
VERSION_INSERT = """
INSERT INTO project_version (fingerprint, files) VALUES (%s, %s) ON CONFLICT (fingerprint)
DO UPDATE SET files = excluded.files WHERE project_version.files IS NULL"""
VERSION_FILES = "SELECT files FROM project_version WHERE fingerprint = %s"
