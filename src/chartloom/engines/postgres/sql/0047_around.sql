-- What is read and written of clusters, by one function each instead of four statements and three.

-- What hangs together with some records, one step far. Rows by kind: 'm' who is in one cluster with one of
-- them (a), and its person (b); 'd' what was decided about them and anybody; 'w' words, in the order in
-- which they count; 'r' reviews. Of pairs a and b are the two. Within a transaction that has the lock of all
-- clusters.
CREATE FUNCTION identity_around(patients text[])
RETURNS TABLE (kind text, a text, b text, outcome text, weight float8, rule text, guard text,
    apart boolean, since_us bigint, two boolean, reason text, state text, said text,
    event_us bigint, "position" bigint, ordinal smallint, actor text, up_to bigint,
    looked bigint[], beside text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    RETURN QUERY
    SELECT 'm', m.source_patient, m.person_id, NULL, NULL::float8, NULL, NULL, NULL::boolean,
           NULL::bigint, NULL::boolean, NULL, NULL, NULL, NULL::bigint, NULL::bigint,
           NULL::smallint, NULL, NULL::bigint, NULL::bigint[], NULL::text[]
    FROM person m WHERE m.person_id IN (
        SELECT p.person_id FROM person p WHERE p.source_patient = ANY (patients));
    RETURN QUERY
    SELECT 'd', d.low, d.high, d.outcome, d.weight, d.rule, d.guard, d.apart, NULL::bigint,
           NULL::boolean, NULL, NULL, NULL, NULL::bigint, NULL::bigint, NULL::smallint, NULL,
           NULL::bigint, NULL::bigint[], NULL::text[]
    FROM (SELECT * FROM identity_decision WHERE low = ANY (patients) UNION ALL
          SELECT * FROM identity_decision WHERE high = ANY (patients) AND low <> ALL (patients)) d;
    RETURN QUERY
    SELECT 'w', l.surviving, l.prior, NULL, NULL::float8, l.rule, NULL, NULL::boolean,
           NULL::bigint, l.two, l.reason, NULL, l.kind, l.event_us, l.position, l.ordinal, l.actor,
           l.up_to, l.looked, l.beside
    FROM (SELECT * FROM link WHERE surviving = ANY (patients) UNION ALL
          SELECT * FROM link WHERE prior = ANY (patients) AND surviving <> ALL (patients)) l
    ORDER BY l.event_us, l.position, l.ordinal;
    RETURN QUERY
    SELECT 'r', r.low, r.high, NULL, r.weight, NULL, NULL, NULL::boolean, r.since_us, r.two,
           r.reason, r.state, NULL, NULL::bigint, NULL::bigint, NULL::smallint, NULL, NULL::bigint,
           NULL::bigint[], NULL::text[]
    FROM (SELECT * FROM identity_review WHERE low = ANY (patients) UNION ALL
          SELECT * FROM identity_review WHERE high = ANY (patients) AND low <> ALL (patients)) r;
END
$$;

DROP FUNCTION batch_told(text[]);
-- In its place (0014, 0018), with who came to another person. told: those who follow the outbox are told, in the row of this batch.
CREATE FUNCTION identity_moved(
    times_us  bigint[],
    positions bigint[],
    patients  text[],
    befores   text[],
    persons   text[],
    causes    text[],
    told      boolean
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mine bigint;
BEGIN
    PERFORM require_all();
    UPDATE person p SET person_id = u.person_id
    FROM (SELECT unnest(patients) AS source_patient, unnest(persons) AS person_id) u
    WHERE p.source_patient = u.source_patient;
    INSERT INTO membership (at_us, position, source_patient, person_before, person_id, cause)
    SELECT unnest(times_us), unnest(positions), unnest(patients), unnest(befores), unnest(persons),
           unnest(causes);
    IF told THEN
        mine := currval(pg_get_serial_sequence('public.outbox', 'seq'));
        UPDATE outbox o SET source_patients = ARRAY(
            SELECT DISTINCT p FROM unnest(o.source_patients || patients) p WHERE p <> '' ORDER BY p)
        WHERE o.seq = mine;
    END IF;
END
$$;
