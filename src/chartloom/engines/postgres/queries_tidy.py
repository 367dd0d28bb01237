"""SQL of the housekeeping, by name. Every statement takes a bounded number of rows."""

from __future__ import annotations

ALONE = "SELECT pg_try_advisory_lock(19538, 0)"
NO_LONGER = "SELECT pg_advisory_unlock(19538, 0)"

KEYS_FORGET = """
DELETE FROM landed_key WHERE position IN (
    SELECT position FROM landed_key WHERE position < %(before)s ORDER BY position LIMIT %(most)s)"""

#: In the order of seq, so that nothing is looked at again and again because it is kept.
OUTBOX_FORGET = """
DELETE FROM outbox o USING (
    SELECT seq FROM outbox
    WHERE seq <= (SELECT coalesce(min(acknowledged_seq), 9223372036854775807) FROM outbox_consumer)
    ORDER BY seq LIMIT %(most)s
) old WHERE o.seq = old.seq AND o.applied_at_us < %(before)s"""

MINUTES_IN_ADD_UP = """
WITH gone AS (
    DELETE FROM feed_minute_in WHERE (feed, minute) IN (
        SELECT feed, minute FROM feed_minute_in WHERE minute < %(before)s LIMIT %(most)s)
    RETURNING *
), added AS (
    INSERT INTO feed_total AS t
        (feed, received_count, duplicate_count, conflict_count, last_received_us)
    SELECT feed, sum(received_count), sum(duplicate_count), sum(conflict_count),
           max(last_received_us)
    FROM gone GROUP BY feed ORDER BY feed
    ON CONFLICT (feed) DO UPDATE SET
        received_count = t.received_count + excluded.received_count,
        duplicate_count = t.duplicate_count + excluded.duplicate_count,
        conflict_count = t.conflict_count + excluded.conflict_count,
        last_received_us = greatest(t.last_received_us, excluded.last_received_us)
)
SELECT FROM gone"""

MINUTES_OUT_ADD_UP = """
WITH gone AS (
    DELETE FROM feed_minute_out WHERE (feed, minute, shard) IN (
        SELECT feed, minute, shard FROM feed_minute_out WHERE minute < %(before)s LIMIT %(most)s)
    RETURNING *
), added AS (
    INSERT INTO feed_total AS t
        (feed, applied_count, quarantined_count, issue_count, last_event_us)
    SELECT feed, sum(applied_count), sum(quarantined_count), sum(issue_count), max(last_event_us)
    FROM gone GROUP BY feed ORDER BY feed
    ON CONFLICT (feed) DO UPDATE SET
        applied_count = t.applied_count + excluded.applied_count,
        quarantined_count = t.quarantined_count + excluded.quarantined_count,
        issue_count = t.issue_count + excluded.issue_count,
        last_event_us = greatest(t.last_event_us, excluded.last_event_us)
)
SELECT FROM gone"""

#: Days that are over: one row per feed and code instead of one per writer session.
ISSUES_ADD_UP = """
WITH gone AS (
    DELETE FROM issue_day WHERE (feed, day, code, shard) IN (
        SELECT feed, day, code, shard FROM issue_day
        WHERE day < %(before)s AND shard <> 0 LIMIT %(most)s)
    RETURNING *
), added AS (
    INSERT INTO issue_day AS i (feed, day, code, shard, count)
    SELECT feed, day, code, 0, sum(count) FROM gone GROUP BY feed, day, code
    ORDER BY feed, day, code
    ON CONFLICT (feed, day, code, shard) DO UPDATE SET count = i.count + excluded.count
)
SELECT FROM gone"""

ISSUES_FORGET = """
DELETE FROM issue_day WHERE (feed, day, code, shard) IN (
    SELECT feed, day, code, shard FROM issue_day WHERE day < %(before)s LIMIT %(most)s)"""

CONSUMER_ADD = """
INSERT INTO outbox_consumer (name, acknowledged_seq)
SELECT %s, coalesce(min(seq), 1) - 1 FROM outbox ON CONFLICT (name) DO NOTHING"""
CONSUMER_ACKNOWLEDGE = """
UPDATE outbox_consumer SET acknowledged_seq = greatest(acknowledged_seq, %s) WHERE name = %s"""
CONSUMER_REMOVE = "DELETE FROM outbox_consumer WHERE name = %s"

#: A partitioned table counts with its partitions.
SIZES = """
SELECT coalesce(parent.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid))
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
GROUP BY 1 ORDER BY 2 DESC, 1"""
