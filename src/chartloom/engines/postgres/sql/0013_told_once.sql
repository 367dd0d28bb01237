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

-- Results that are reported together stand in one part of a chart (chart/panels.py). Views and
-- states made before know other parts, so everything derived is derived again, as a rebuild does.
DO $$
BEGIN
    IF EXISTS (SELECT FROM resource WHERE type = 'Observation') THEN
        TRUNCATE outcome, bundle, resource, view, person, record_number, link, identifier, care,
                 person_label, feed_minute_out, issue_day, retry;
        UPDATE feed_total SET
            applied_count = 0, quarantined_count = 0, issue_count = 0, last_event_us = 0;
        UPDATE lane SET cursor = 0;
        UPDATE log_head SET generation = generation + 1, replay_until = position;
    END IF;
END
$$;
