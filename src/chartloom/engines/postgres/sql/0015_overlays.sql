-- Messages that would turn a patient's record into somebody else's: they are in quarantine, and stand
-- in the review queue as a pair of that record with itself, until a person said whose they are.

CREATE TABLE overlay_stop (
    position       bigint NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    PRIMARY KEY (source_patient, position)
);
CREATE INDEX overlay_stop_position ON overlay_stop (position);

-- Messages of a batch that were stopped. A review that was closed is open again: what was said
-- before was said about other messages.
CREATE FUNCTION batch_overlays(positions bigint[], patients text[], stopped_at_us bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    INSERT INTO overlay_stop (position, source_patient)
    SELECT unnest(positions), unnest(patients) ON CONFLICT DO NOTHING;
    INSERT INTO identity_review AS r
        (weight, since_us, position, two, low, high, reason, state)
    SELECT 0, min(u.at_us), max(u.position), false, u.patient, u.patient, 'overlay', 'open'
    FROM (SELECT unnest(positions) AS position, unnest(patients) AS patient,
                 unnest(stopped_at_us) AS at_us) u
    GROUP BY u.patient ORDER BY u.patient
    ON CONFLICT (low, high) DO UPDATE SET
        since_us = CASE WHEN r.state = 'closed' THEN excluded.since_us ELSE r.since_us END,
        position = excluded.position, reason = excluded.reason, state = excluded.state;
END
$$;

-- What people said about a record itself takes effect: messages up to a position are put in front of
-- their lanes, as if they had not been looked at. Answers with what they counted for so far.
-- said: where the review stands by what was said.
CREATE FUNCTION batch_vouched(patient text, upto bigint, said text, said_at bigint)
RETURNS TABLE (feed text, issue_count integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    free bigint[];
BEGIN
    PERFORM require_all();
    -- What is not in the log any more cannot be tried again, and stays as it is.
    free := ARRAY(SELECT s.position FROM overlay_stop s
                  WHERE s.source_patient = patient AND s.position <= upto
                      AND EXISTS (SELECT FROM landing l WHERE l.position = s.position));
    INSERT INTO retry (position, lane)
    SELECT m.position, m.lane FROM unnest(free) f (position)
    CROSS JOIN LATERAL (SELECT l.position, l.lane FROM landing l WHERE l.position = f.position) m
    ON CONFLICT DO NOTHING;
    DELETE FROM bundle b WHERE b.position = ANY (free);
    DELETE FROM link l WHERE l.position = ANY (free);
    DELETE FROM overlay_stop s WHERE s.position = ANY (free);
    UPDATE identity_review r SET
        position = said_at,
        state = CASE WHEN said = 'closed' OR EXISTS (
            SELECT FROM overlay_stop s WHERE s.source_patient = patient) THEN said
            ELSE 'closed' END
    WHERE r.low = patient AND r.high = patient;
    RETURN QUERY DELETE FROM outcome o WHERE o.position = ANY (free)
        RETURNING o.feed, o.issue_count;
END
$$;

-- Messages that an operator puts back in front of their lanes are not stopped any more, until they are
-- stopped again.
CREATE FUNCTION overlays_forget(positions bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    whose text[];
BEGIN
    PERFORM require_all();
    WITH gone AS (
        DELETE FROM overlay_stop s WHERE s.position = ANY (positions) RETURNING s.source_patient
    ) SELECT array_agg(DISTINCT g.source_patient) INTO whose FROM gone g;
    UPDATE identity_review r SET state = 'closed'
    WHERE r.low = ANY (whose) AND r.high = r.low AND NOT EXISTS (
        SELECT FROM overlay_stop s WHERE s.source_patient = r.low);
END
$$;
