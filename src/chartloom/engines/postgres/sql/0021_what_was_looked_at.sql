-- A person's word about a record itself tells up to which stopped message it was looked at: it frees
-- those, and no other. 0: it does not tell (words from before), and counts up to where it stands.
ALTER TABLE link ADD COLUMN up_to bigint NOT NULL DEFAULT 0;

DROP FUNCTION batch_persons(bytea[], text[], text[], bigint[], bigint[], bytea[], text[],
    bigint[], bigint[], smallint[], text[], text[], text[], text[], text[], text[], boolean);
-- In place of the function of 0014: words with what was looked at.
CREATE FUNCTION batch_persons(
    identifier_blinds   bytea[],
    identifier_patients text[],
    persons             text[],
    person_positions    bigint[],
    persons_at_us       bigint[],
    record_blinds       bytea[],
    record_patients     text[],
    -- link events
    link_positions      bigint[],
    link_events_us      bigint[],
    link_ordinals       smallint[],
    link_kinds          text[],
    survivings          text[],
    priors              text[],
    rules               text[],
    actors              text[],
    reasons             text[],
    up_tos              bigint[],
    alone               boolean        -- who is one person may change
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_all();
    INSERT INTO identifier (blind, source_patient)
    SELECT unnest(identifier_blinds), unnest(identifier_patients) ON CONFLICT DO NOTHING;
    INSERT INTO record_number (blind, source_patient)
    SELECT unnest(record_blinds), unnest(record_patients) ON CONFLICT DO NOTHING;
    WITH new AS (
        INSERT INTO person (source_patient, person_id)
        SELECT p, p FROM unnest(persons) p ON CONFLICT DO NOTHING RETURNING source_patient
    )
    INSERT INTO membership (at_us, position, source_patient, person_before, person_id, cause)
    SELECT u.at_us, u.position, u.patient, '', u.patient, 'first'
    FROM (SELECT unnest(persons) AS patient, unnest(person_positions) AS position,
                 unnest(persons_at_us) AS at_us) u
    JOIN new ON new.source_patient = u.patient;
    IF alone THEN
        PERFORM pg_advisory_xact_lock(19535, 0);
    END IF;
    IF cardinality(link_positions) > 0 THEN
        INSERT INTO link
            (position, event_us, ordinal, kind, surviving, prior, rule, actor, reason, up_to)
        SELECT unnest(link_positions), unnest(link_events_us), unnest(link_ordinals),
               unnest(link_kinds), unnest(survivings), unnest(priors), unnest(rules),
               unnest(actors), unnest(reasons), unnest(up_tos);
    END IF;
END
$$;

-- In place of the function of 0015: what was stopped and not looked at keeps the review open.
CREATE OR REPLACE FUNCTION batch_vouched(patient text, upto bigint, said text, said_at bigint)
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
        state = CASE
            WHEN upto > 0 AND EXISTS (
                SELECT FROM overlay_stop s WHERE s.source_patient = patient AND s.position > upto)
                THEN 'open'
            WHEN said = 'closed' OR EXISTS (
                SELECT FROM overlay_stop s WHERE s.source_patient = patient) THEN said
            ELSE 'closed' END
    WHERE r.low = patient AND r.high = patient;
    RETURN QUERY DELETE FROM outcome o WHERE o.position = ANY (free)
        RETURNING o.feed, o.issue_count;
END
$$;
