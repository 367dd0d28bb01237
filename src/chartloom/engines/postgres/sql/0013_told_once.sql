-- What was told once is kept once.

-- Of a resource that one message told of, the message's bundle is all there is: no body of its own
-- (said: the bundle's, for bodies that are empty).
DROP FUNCTION current_states(text, bytea, text[]);
CREATE FUNCTION current_states(claim text, mac bytea, ids text[])
RETURNS TABLE (id text, source_patient text, directory boolean, revision integer, body bytea,
    labels integer, version bigint, said bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    RETURN QUERY SELECT r.id, r.source_patient, r.directory, r.revision, r.body, r.labels,
        r.version, CASE WHEN r.body = '' THEN (
            SELECT b.body FROM bundle b WHERE b.position = r.version AND b.ordinal = 0) END
        FROM resource r WHERE r.id = ANY (ids);
END
$$;

-- Who cares for whom, by resources (again_of) that said something of it before. Most is said again
-- as it was: those rows stay untouched. Goes by what holds in the transaction, like all of 0012.
CREATE FUNCTION batch_care(
    again_of   text[],
    starts_us  bigint[],
    ends_us    bigint[],
    ids        text[],
    patients   text[],
    whos       text[],
    kinds      text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_all();
    DELETE FROM care c WHERE c.resource_id = ANY (again_of)
        AND (c.start_us, c.end_us, c.resource_id, c.source_patient, c.who, c.kind) NOT IN (
            SELECT unnest(starts_us), unnest(ends_us), unnest(ids), unnest(patients),
                   unnest(whos), unnest(kinds));
    INSERT INTO care (start_us, end_us, resource_id, source_patient, who, kind)
    SELECT unnest(starts_us), unnest(ends_us), unnest(ids), unnest(patients), unnest(whos),
           unnest(kinds)
    EXCEPT
    SELECT c.start_us, c.end_us, c.resource_id, c.source_patient, c.who, c.kind
    FROM care c WHERE c.resource_id = ANY (again_of);
END
$$;

-- As in 0012, except that what is to be tried again must be in the log: a row of retry alone gave no
-- row at all, not even the one that there always is, and held up its lanes. The rest is a copy of
-- what stands in 0012, because a migration that has run somewhere is never edited: change this one
-- in a migration of its own, in whole again.
CREATE OR REPLACE FUNCTION pending_messages(
    claim       text,
    mac         bytea,
    wanted      smallint[],        -- lanes
    after       bigint,
    most        integer,
    bytes_most  bigint,            -- the first message comes whatever its size
    again_most  integer            -- of those to be tried again
) RETURNS TABLE (
    head bigint, generation integer, "position" bigint, feed text, received_at_us bigint,
    lane smallint, control_id text, message_type text, source_patient text, conflict boolean,
    body bytea
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    IF EXISTS (SELECT FROM retry r JOIN landing l ON l.position = r.position
               WHERE r.lane = ANY (wanted)) THEN
        RETURN QUERY
        SELECT NULL::bigint, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM (SELECT l.* FROM retry r CROSS JOIN LATERAL (
                  SELECT * FROM landing l WHERE l.position = r.position) l
              WHERE r.lane = ANY (wanted) ORDER BY r.position LIMIT again_most) m
        CROSS JOIN log_head h ORDER BY m.position;
    ELSIF after IS NOT NULL THEN
        RETURN QUERY
        SELECT h.position, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM log_head h LEFT JOIN (
            SELECT n.*, sum(n.size_bytes) OVER rising AS bytes, row_number() OVER rising AS number
            FROM (SELECT * FROM landing l WHERE l.position > after AND l.lane = ANY (wanted)
                  ORDER BY l.position LIMIT most) n
            WINDOW rising AS (ORDER BY n.position ROWS UNBOUNDED PRECEDING)
        ) m ON m.bytes <= bytes_most OR m.number = 1
        ORDER BY m.position;
    ELSE
        RETURN QUERY
        WITH next AS MATERIALIZED (
            SELECT n.* FROM lane c CROSS JOIN LATERAL (
                SELECT l.position, l.size_bytes FROM landing l
                WHERE l.lane = c.lane AND l.position > c.cursor
                ORDER BY l.position LIMIT most
            ) n WHERE c.lane = ANY (wanted)
        ), bounded AS (
            SELECT n.position, sum(n.size_bytes) OVER rising AS bytes,
                   row_number() OVER rising AS number
            FROM next n
            WINDOW rising AS (ORDER BY n.position ROWS UNBOUNDED PRECEDING)
        ), chosen AS MATERIALIZED (
            SELECT b.position FROM bounded b
            WHERE (b.bytes <= bytes_most OR b.number = 1) AND b.number <= most
        )
        SELECT h.position, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM log_head h LEFT JOIN (
            SELECT l.* FROM chosen p CROSS JOIN LATERAL (
                SELECT * FROM landing l WHERE l.position = p.position) l
        ) m ON true
        ORDER BY m.position;
    END IF;
END
$$;

-- Results that are reported together stand in one part of a chart (chart/panels.py). Views and
-- states made before know other parts, so everything derived is derived again, as a rebuild does.
DO $$
BEGIN
    IF EXISTS (SELECT FROM resource WHERE type = 'Observation') THEN
        PERFORM FROM lane ORDER BY lane FOR UPDATE;  -- first, as batches in flight and rebuild do
        TRUNCATE outcome, bundle, resource, view, person, record_number, link, identifier, care,
                 person_label, feed_minute_out, issue_day, retry;
        UPDATE feed_total SET
            applied_count = 0, quarantined_count = 0, issue_count = 0, last_event_us = 0;
        UPDATE lane SET cursor = 0;
        UPDATE log_head SET generation = generation + 1, replay_until = position;
    END IF;
END
$$;
