-- What a person's word carries besides: that it took two people when it was said, and which stopped
-- messages of a record were looked at.
ALTER TABLE link ADD COLUMN two boolean NOT NULL DEFAULT false;
ALTER TABLE link ADD COLUMN looked bigint[] NOT NULL DEFAULT '{}';

-- Written after the words of a batch, by their places in its messages. lookeds: an array each, as text.
CREATE FUNCTION batch_words(positions bigint[], ordinals smallint[], twos boolean[], lookeds text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    UPDATE link l SET two = u.two, looked = u.looked::bigint[]
    FROM unnest(positions, ordinals, twos, lookeds) u (position, ordinal, two, looked)
    WHERE l.position = u.position AND l.ordinal = u.ordinal;
END
$$;

-- A stopped message is kept when it is released: who may not know of it (labels) may not know either
-- that somebody spoke about it.
ALTER TABLE overlay_stop ADD COLUMN at_us bigint NOT NULL DEFAULT 0;
ALTER TABLE overlay_stop ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE overlay_stop ADD COLUMN released boolean NOT NULL DEFAULT false;
UPDATE overlay_stop s SET at_us = o.received_at_us, labels = o.labels
FROM outcome o WHERE o.position = s.position;
CREATE INDEX identity_review_record ON identity_review (low) WHERE low = high;

-- In place of the function of 0015: whom such a message is kept from. Its lock is that of all clusters,
-- as for everything else that is written of reviews. Where the reviews stand, batch_released says.
CREATE OR REPLACE FUNCTION batch_overlays(positions bigint[], patients text[], stopped_at_us bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    PERFORM pg_advisory_xact_lock(19535, 0);
    INSERT INTO overlay_stop (position, source_patient, at_us, labels)
    SELECT u.position, u.patient, u.at_us, coalesce(o.labels, 0)
    FROM unnest(positions, patients, stopped_at_us) u (position, patient, at_us)
    LEFT JOIN outcome o ON o.position = u.position
    ON CONFLICT (source_patient, position) DO UPDATE SET
        labels = excluded.labels, released = false;
    INSERT INTO identity_review AS r
        (weight, since_us, position, two, low, high, reason, state)
    SELECT 0, min(u.at_us), max(u.position), false, u.patient, u.patient, 'overlay', 'open'
    FROM (SELECT unnest(positions) AS position, unnest(patients) AS patient,
                 unnest(stopped_at_us) AS at_us) u
    GROUP BY u.patient ORDER BY u.patient
    ON CONFLICT (low, high) DO UPDATE SET
        since_us = CASE WHEN r.state = 'closed' THEN excluded.since_us ELSE r.since_us END,
        position = excluded.position, reason = excluded.reason;
END
$$;

-- What waits of a record for a word of people, and whether it is still in the log.
CREATE FUNCTION overlays_of(patient text) RETURNS TABLE ("position" bigint, kept boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    RETURN QUERY
        SELECT s.position, EXISTS (SELECT FROM landing l WHERE l.position = s.position)
        FROM overlay_stop s WHERE s.source_patient = patient AND NOT s.released
        ORDER BY s.position;
END
$$;

-- In place of batch_vouched: what people said about a record itself takes effect. Messages are put in
-- front of their lanes, as if they had not been looked at. Answers with what they counted for so far.
-- said: where the review stands by what was said.
DROP FUNCTION batch_vouched(text, bigint, text, bigint);
CREATE FUNCTION batch_released(patient text, free bigint[], said text, said_at bigint)
RETURNS TABLE (feed text, issue_count integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    INSERT INTO retry (position, lane)
    SELECT m.position, m.lane FROM unnest(free) f (position)
    CROSS JOIN LATERAL (SELECT l.position, l.lane FROM landing l WHERE l.position = f.position) m
    ON CONFLICT DO NOTHING;
    DELETE FROM bundle b WHERE b.position = ANY (free);
    DELETE FROM link l WHERE l.position = ANY (free);
    UPDATE overlay_stop s SET released = true
    WHERE s.position = ANY (free) AND s.source_patient = patient;
    -- Of another record that it would turn over it is stopped again when it comes.
    DELETE FROM overlay_stop s WHERE s.position = ANY (free) AND s.source_patient <> patient;
    UPDATE identity_review r SET position = said_at, state = said
    WHERE r.low = patient AND r.high = patient AND r.state <> said;
    RETURN QUERY DELETE FROM outcome o WHERE o.position = ANY (free)
        RETURNING o.feed, o.issue_count;
END
$$;

-- In place of the function of 0020: what is released does not keep a review open.
CREATE OR REPLACE FUNCTION overlays_forget(positions bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    whose text[];
BEGIN
    IF public.access_everyone() IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    WITH gone AS (
        DELETE FROM overlay_stop s WHERE s.position = ANY (positions)
            AND NOT EXISTS (SELECT FROM outcome o WHERE o.position = s.position)
        RETURNING s.source_patient
    ) SELECT array_agg(DISTINCT g.source_patient) INTO whose FROM gone g;
    UPDATE identity_review r SET state = 'closed'
    WHERE r.low = ANY (whose) AND r.high = r.low AND NOT EXISTS (
        SELECT FROM overlay_stop s WHERE s.source_patient = r.low AND NOT s.released);
END
$$;
