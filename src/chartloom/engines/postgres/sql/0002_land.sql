-- A whole landing in one round trip: arrays in, one row per message, committed by the caller's
-- single statement. first_position is what the caller expects to be free; bodies are sealed to
-- their positions, so if it is not, nothing is written and the caller does it step by step.
-- Returns true if it landed; false if positions or keys are taken already.
CREATE FUNCTION land_new(
    first_position  bigint,
    arrived_us      bigint[],
    sizes           integer[],
    lanes           smallint[],
    feeds           text[],
    control_ids     text[],
    message_types   text[],
    source_patients text[],
    bodies          bytea[],
    keys            bigint[],
    digests         bytea[],
    count_feeds     text[],
    count_minutes   integer[],
    counts          integer[],
    count_last_us   bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    head bigint;
BEGIN
    SELECT position INTO STRICT head FROM log_head FOR UPDATE;
    -- Statements of their own: their snapshots are taken when the lock is held.
    IF head >= first_position OR EXISTS (SELECT FROM landed_key k WHERE k.key = ANY (keys)) THEN
        RETURN false;
    END IF;
    INSERT INTO landing
        (position, received_at_us, size_bytes, lane, conflict, feed, control_id, message_type,
         source_patient, body)
    SELECT first_position + u.n - 1, u.us, u.size, u.lane, false, u.feed, u.control, u.type,
           u.patient, u.body
    FROM unnest(arrived_us, sizes, lanes, feeds, control_ids, message_types, source_patients,
                bodies)
        WITH ORDINALITY AS u (us, size, lane, feed, control, type, patient, body, n);
    INSERT INTO landed_key (key, position, digest)
    SELECT u.k, first_position + u.n - 1, u.d
    FROM unnest(keys, digests) WITH ORDINALITY AS u (k, d, n);
    INSERT INTO feed_minute_in AS f
        (feed, minute, received_count, duplicate_count, conflict_count, last_received_us)
    SELECT u.feed, u.minute, u.count, 0, 0, u.last_us
    FROM unnest(count_feeds, count_minutes, counts, count_last_us) u (feed, minute, count, last_us)
    ON CONFLICT (feed, minute) DO UPDATE SET
        received_count = f.received_count + excluded.received_count,
        last_received_us = greatest(f.last_received_us, excluded.last_received_us);
    UPDATE log_head SET position = first_position + cardinality(keys) - 1;
    NOTIFY chartloom_landed;
    RETURN true;
END
$$;
