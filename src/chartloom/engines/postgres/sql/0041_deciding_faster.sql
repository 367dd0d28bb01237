-- Deciding who somebody is, in fewer and lighter statements: what costs most of a message that comes by
-- itself is that statements begin, not what they do.

-- In place of the function of 0012: the claim is looked at by one function within, and not by three.
CREATE OR REPLACE FUNCTION require_all() RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := public.access_claim();
BEGIN
    IF (parts[5] = '*' AND parts[4]::integer & 255 = 255) IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
END
$$;

-- In place of the function of 0014. Keys of a record that is new cannot be there yet: only those of
-- records that were known are compared with what is there. 'r' rows bring the wrapped key that their
-- record opens with, as subject_keys_get would: generation 0 says that it was destroyed.
DROP FUNCTION match_put(text[], bigint[], bytea[], bytea[], bigint[], integer[], integer);
CREATE FUNCTION match_put(
    patients  text[],
    positions bigint[],
    digests   bytea[],
    bodies    bytea[],
    new_keys  bigint[],
    firsts    integer[],   -- of the keys of each patient, the place of the first in new_keys
    lasts     integer[],   -- and of the last; before the first, if there are none
    most      integer      -- a key that more records carry is no key
) RETURNS TABLE (kind text, key bigint, numbers integer[], added integer, gone integer,
    number integer, source_patient text, "position" bigint, digest bytea, body bytea, busy boolean,
    generation integer, wrapped bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    known       integer[];
    was_keys    bigint[];
    was_numbers integer[];
    now_keys    bigint[] := '{}';
    now_numbers integer[];
    out_keys    bigint[] := '{}';
    in_keys     bigint[] := '{}';
    added_keys  bigint[];
BEGIN
    PERFORM require_all();
    SELECT coalesce(array_agg(m.number), '{}') INTO known
    FROM match_record m WHERE m.source_patient = ANY (patients);
    IF cardinality(known) > 0 THEN
        SELECT array_agg(k), array_agg(m.number) INTO was_keys, was_numbers
        FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k WHERE m.number = ANY (known);
        UPDATE match_record m
        SET position = u.position, digest = u.digest, body = u.body,
            keys = new_keys[u.first : u.last]
        FROM (SELECT unnest(patients) AS patient, unnest(positions) AS position,
                     unnest(digests) AS digest, unnest(bodies) AS body, unnest(firsts) AS first,
                     unnest(lasts) AS last) u
        WHERE m.source_patient = u.patient;
        SELECT coalesce(array_agg(k), '{}'), array_agg(m.number) INTO now_keys, now_numbers
        FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k WHERE m.number = ANY (known);
        WITH left_over AS (
            SELECT * FROM unnest(was_keys, was_numbers) EXCEPT
            SELECT * FROM unnest(now_keys, now_numbers)
        ), deleted AS (
            DELETE FROM match_key d USING left_over u (k, n) WHERE d.key = u.k AND d.number = u.n
            RETURNING d.key
        ) SELECT coalesce(array_agg(d.key), '{}') INTO out_keys FROM deleted d;
        WITH inserted AS (
            INSERT INTO match_key (key, number)
            SELECT * FROM unnest(now_keys, now_numbers) EXCEPT
            SELECT * FROM unnest(was_keys, was_numbers)
            ON CONFLICT DO NOTHING RETURNING key
        ) SELECT coalesce(array_agg(i.key), '{}') INTO in_keys FROM inserted i;
    END IF;
    IF cardinality(known) < cardinality(patients) THEN
        INSERT INTO match_record (position, source_patient, digest, body, keys)
        SELECT u.position, u.patient, u.digest, u.body, new_keys[u.first : u.last]
        FROM (SELECT unnest(patients) AS patient, unnest(positions) AS position,
                     unnest(digests) AS digest, unnest(bodies) AS body, unnest(firsts) AS first,
                     unnest(lasts) AS last) u
        WHERE cardinality(known) = 0 OR NOT EXISTS (
            SELECT FROM match_record m WHERE m.source_patient = u.patient);
        WITH inserted AS (
            INSERT INTO match_key (key, number)
            SELECT unnest(m.keys), m.number FROM match_record m
            WHERE m.source_patient = ANY (patients) AND m.number <> ALL (known)
            RETURNING key
        ) SELECT array_agg(i.key) INTO added_keys FROM inserted i;
        in_keys := in_keys || added_keys;
    END IF;

    -- Statements of their own: they see what was just written.
    RETURN QUERY
    WITH carried AS MATERIALIZED (
        SELECT f.k, f.added, f.gone, ARRAY(
            SELECT m.number FROM match_key m WHERE m.key = f.k LIMIT most + f.added + 1) AS numbers
        FROM (
            SELECT a.k, sum(a.i)::integer AS added, sum(a.g)::integer AS gone FROM (
                SELECT unnest(in_keys) AS k, 1 AS i, 0 AS g UNION ALL
                SELECT unnest(out_keys), 0, 1 UNION ALL
                SELECT unnest(now_keys), 0, 0
            ) a GROUP BY a.k
        ) f
    )
    SELECT 'k', c.k, c.numbers, c.added, c.gone, NULL::integer, NULL, NULL::bigint, NULL::bytea,
           NULL::bytea, NULL::boolean, NULL::integer, NULL::bytea
    FROM carried c WHERE c.numbers <> '{}'
    UNION ALL
    SELECT 'r', NULL, NULL, NULL, NULL, m.number, m.source_patient, m.position, m.digest, m.body,
           NULL, s.generation, s.wrapped
    FROM (
        SELECT DISTINCT unnest(c.numbers) AS n FROM carried c
        WHERE cardinality(c.numbers) BETWEEN 2 AND most
    ) met
    JOIN match_record m ON m.number = met.n
    LEFT JOIN subject_key s ON s.subject = m.source_patient
    WHERE m.source_patient <> ALL (patients);
    RETURN QUERY
    SELECT 'p', NULL::bigint, NULL::integer[], NULL::integer, NULL::integer, m.number,
           m.source_patient, m.position, NULL::bytea, NULL::bytea,
           EXISTS (SELECT FROM link l WHERE l.surviving = m.source_patient)
        OR EXISTS (SELECT FROM link l WHERE l.prior = m.source_patient)
        OR EXISTS (SELECT FROM identity_decision d WHERE d.low = m.source_patient)
        OR EXISTS (SELECT FROM identity_decision d WHERE d.high = m.source_patient)
        OR EXISTS (SELECT FROM person me JOIN person mate ON mate.person_id = me.person_id
                   WHERE me.source_patient = m.source_patient
                       AND mate.source_patient <> m.source_patient),
           NULL::integer, NULL::bytea
    FROM match_record m WHERE m.source_patient = ANY (patients);
END
$$;
