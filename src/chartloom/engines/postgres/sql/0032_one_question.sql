-- People are asked once about two persons, however many pairs of records of theirs there are: which
-- reviews are about the same two, and what a word says of the others besides.

-- Marks of other pairs of the same two persons that a word settles besides (registry/persons).
ALTER TABLE link ADD COLUMN beside text[] NOT NULL DEFAULT '{}';

-- In place of the function of 0024. lookeds, besides: an array each, as text.
DROP FUNCTION batch_words(bigint[], smallint[], boolean[], text[]);
CREATE FUNCTION batch_words(
    positions bigint[], ordinals smallint[], twos boolean[], lookeds text[], besides text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    UPDATE link l SET two = u.two, looked = u.looked::bigint[], beside = u.beside::text[]
    FROM unnest(positions, ordinals, twos, lookeds, besides)
        u (position, ordinal, two, looked, beside)
    WHERE l.position = u.position AND l.ordinal = u.ordinal;
END
$$;

-- Of each pair, by its place in what is asked, the reviews about the same two persons, itself too;
-- none for a pair of one person. Only for who works on the queue. over: those that are closed, else
-- those that are not.
CREATE FUNCTION identity_between(lows text[], highs text[], over boolean)
RETURNS TABLE (place integer, low text, high text, weight double precision, since_us bigint,
    two boolean, reason text, state text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF (access_everyone() OR 'site:identity' = ANY (access_persons())) IS NOT TRUE THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT u.place::integer, r.low, r.high, r.weight, r.since_us, r.two, r.reason, r.state
    FROM unnest(lows, highs) WITH ORDINALITY u (low, high, place)
    JOIN person a ON a.source_patient = u.low
    JOIN person b ON b.source_patient = u.high AND b.person_id <> a.person_id
    JOIN person m ON m.person_id IN (a.person_id, b.person_id)
    JOIN identity_review r ON r.low = m.source_patient
    JOIN person o ON o.source_patient = r.high
        AND o.person_id = CASE m.person_id WHEN a.person_id THEN b.person_id ELSE a.person_id END
    WHERE (r.state = 'closed') = over
    ORDER BY u.place, r.rank, r.low, r.high;
END
$$;

-- What is kept of decisions between the persons of two records; only for who works on the queue.
CREATE FUNCTION identity_decided_between(one text, other text)
RETURNS TABLE (low text, high text, outcome text, weight double precision, rule text, guard text,
    evidence text, fingerprint text, "position" bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF (access_everyone() OR 'site:identity' = ANY (access_persons())) IS NOT TRUE THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT d.low, d.high, d.outcome, d.weight, d.rule, d.guard, d.evidence, v.fingerprint, d.position
    FROM person a
    JOIN person b ON b.source_patient = other AND b.person_id <> a.person_id
    JOIN person m ON m.person_id IN (a.person_id, b.person_id)
    JOIN identity_decision d ON d.low = m.source_patient
    JOIN person o ON o.source_patient = d.high
        AND o.person_id = CASE m.person_id WHEN a.person_id THEN b.person_id ELSE a.person_id END
    JOIN match_parameters v ON v.version = d.version
    WHERE a.source_patient = one
    ORDER BY d.weight DESC, d.low, d.high;
END
$$;

-- What waits, once for two persons: by where that stands, and by the reason of the strongest pair.
CREATE FUNCTION identity_questions()
RETURNS TABLE (state text, reason text, count bigint, since_us bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    persons text[] := access_persons();
    whole   boolean := access_everyone() OR 'site:identity' = ANY (access_persons());
BEGIN
    RETURN QUERY
    WITH waiting AS (
        SELECT r.low, r.high, r.rank, r.since_us, r.reason, r.state,
               CASE WHEN a.person_id <> b.person_id THEN least(a.person_id, b.person_id)
                    ELSE r.low END AS one,
               CASE WHEN a.person_id <> b.person_id THEN greatest(a.person_id, b.person_id)
                    ELSE r.high END AS other
        FROM identity_review r
        LEFT JOIN person a ON a.source_patient = r.low
        LEFT JOIN person b ON b.source_patient = r.high
        WHERE r.low <> r.high AND r.state <> 'closed'
            AND (whole IS TRUE OR r.low = ANY (persons) AND r.high = ANY (persons))
    ), asked AS (
        SELECT DISTINCT ON (w.one, w.other) w.state, w.reason,
               min(w.since_us) OVER (PARTITION BY w.one, w.other) AS since_us
        FROM waiting w
        ORDER BY w.one, w.other, array_position(ARRAY['disputed', 'half', 'open'], w.state),
                 w.rank, w.low, w.high
    )
    SELECT q.state, q.reason, count(*), min(q.since_us) FROM asked q GROUP BY q.state, q.reason;
END
$$;
