-- Who is one person is decided as records arrive: what of a Patient says who somebody is, keys by
-- which others like it are found, what was decided about each pair, what somebody has to look at, and
-- how each came to its person.

-- number: for match_key, which has twenty rows a record. keys: what it is found by, so that a change
-- takes away only what is gone. body: a MatchRecord, sealed. digest: keyed, of what it was read from.
CREATE TABLE match_record (
    position       bigint NOT NULL,       -- of the message after which it was so
    number         integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    source_patient text COLLATE "C" PRIMARY KEY,
    digest         bytea NOT NULL,
    body           bytea NOT NULL,
    keys           bigint[] NOT NULL
) WITH (fillfactor = 90);
ALTER TABLE match_record ALTER COLUMN body SET STORAGE EXTERNAL;

-- key: 64 bits of a keyed fingerprint; two that are alike by chance make one more comparison.
CREATE TABLE match_key (
    key    bigint NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (key, number)
);

-- By which parameters decisions were made.
CREATE TABLE match_parameters (
    version     smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text COLLATE "C" NOT NULL UNIQUE
);

-- Of pairs that share a key: links, reviews, and what only a guard held back. All others that share
-- one are two persons, which the records say again whenever it is asked. evidence: levels and bits.
CREATE TABLE identity_decision (
    position bigint NOT NULL,
    weight   double precision NOT NULL,
    version  smallint NOT NULL,           -- of match_parameters
    apart    boolean NOT NULL,            -- the two must not come into one cluster
    low      text COLLATE "C" NOT NULL,
    high     text COLLATE "C" NOT NULL,
    outcome  text COLLATE "C" NOT NULL,
    rule     text COLLATE "C" NOT NULL,
    guard    text COLLATE "C" NOT NULL,
    evidence text COLLATE "C" NOT NULL,
    PRIMARY KEY (low, high)
);
CREATE INDEX identity_decision_high ON identity_decision (high);

CREATE TABLE identity_review (
    weight   double precision NOT NULL,
    since_us bigint NOT NULL,
    position bigint NOT NULL,             -- of the message that brought it into its state
    two      boolean NOT NULL,            -- two people have to say the same
    low      text COLLATE "C" NOT NULL,
    high     text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL,
    state    text COLLATE "C" NOT NULL,   -- open, half, disputed, closed
    PRIMARY KEY (low, high)
);
CREATE INDEX identity_review_high ON identity_review (high);
CREATE INDEX identity_review_queue ON identity_review (state, two, weight DESC, low, high);

CREATE TABLE membership (
    at_us          bigint NOT NULL,
    position       bigint NOT NULL,
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,
    person_before  text COLLATE "C" NOT NULL,
    person_id      text COLLATE "C" NOT NULL,
    cause          text COLLATE "C" NOT NULL
);
CREATE INDEX membership_patient ON membership (source_patient, seq);

-- Who said it ("" for a source), and why (a code).
ALTER TABLE link ADD COLUMN actor text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN reason text COLLATE "C" NOT NULL DEFAULT '';

-- In place of the function of 0012. What changes who is one person (records to match, words) comes
-- under the lock of all clusters, which holds to the end of the transaction.
DROP FUNCTION batch_persons(bytea[], text[], text[], bigint[], bigint[], smallint[], text[], text[],
    text[], text[], bytea[], text[], integer);
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
            (position, event_us, ordinal, kind, surviving, prior, rule, actor, reason)
        SELECT unnest(link_positions), unnest(link_events_us), unnest(link_ordinals),
               unnest(link_kinds), unnest(survivings), unnest(priors), unnest(rules),
               unnest(actors), unnest(reasons);
    END IF;
END
$$;

-- Of some Patients, the keyed fingerprint of what was matched last.
CREATE FUNCTION match_digests(claim text, mac bytea, patients text[])
RETURNS TABLE (source_patient text, digest bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    RETURN QUERY SELECT m.source_patient, m.digest FROM match_record m
        WHERE m.source_patient = ANY (patients);
END
$$;

-- Writes records with their keys, and answers with all that has to be decided about. Within a
-- transaction that has the lock of all clusters (batch_persons). Rows by kind:
-- 'k' a key that one of them has or had: its carriers (at most ``most`` and those added and one
--     more), how many of them are new, and how many were taken away;
-- 'r' another record that carries one of these keys, if it is one;
-- 'p' one of them, and whether anything else is known of it: decisions, words, a cluster.
CREATE FUNCTION match_put(
    patients  text[],
    positions bigint[],
    digests   bytea[],
    bodies    bytea[],
    new_keys  bigint[],
    owners    integer[],   -- whose key each of those is: place in patients, from 1
    most      integer      -- a key that more records carry is no key
) RETURNS TABLE (kind text, key bigint, numbers integer[], added integer, gone integer,
    number integer, source_patient text, "position" bigint, digest bytea, body bytea, busy boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    was_keys    bigint[];
    was_numbers integer[];
    now_keys    bigint[];
    now_numbers integer[];
    out_keys    bigint[];
    in_keys     bigint[];
BEGIN
    PERFORM require_all();
    SELECT array_agg(k), array_agg(m.number) INTO was_keys, was_numbers
    FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k WHERE m.source_patient = ANY (patients);

    WITH given AS (
        SELECT u.patient, u.position, u.digest, u.body, coalesce(n.keys, '{}') AS keys
        FROM unnest(patients, positions, digests, bodies)
            WITH ORDINALITY u (patient, position, digest, body, place)
        LEFT JOIN (SELECT o, array_agg(k) AS keys FROM unnest(new_keys, owners) a (k, o) GROUP BY o) n
            ON n.o = u.place
    ), changed AS (
        UPDATE match_record m
        SET position = g.position, digest = g.digest, body = g.body, keys = g.keys
        FROM given g WHERE m.source_patient = g.patient RETURNING m.source_patient
    )
    INSERT INTO match_record (position, source_patient, digest, body, keys)
    SELECT g.position, g.patient, g.digest, g.body, g.keys
    FROM given g WHERE NOT EXISTS (SELECT FROM changed c WHERE c.source_patient = g.patient)
    ORDER BY g.patient;

    SELECT array_agg(k), array_agg(m.number) INTO now_keys, now_numbers
    FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k WHERE m.source_patient = ANY (patients);

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
        ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING key
    ) SELECT coalesce(array_agg(i.key), '{}') INTO in_keys FROM inserted i;

    -- Statements of their own: they see what was just written.
    RETURN QUERY
    WITH affected AS (
        SELECT a.k, sum(a.i)::integer AS added, sum(a.g)::integer AS gone FROM (
            SELECT k, 1 AS i, 0 AS g FROM unnest(in_keys) k UNION ALL
            SELECT k, 0, 1 FROM unnest(out_keys) k UNION ALL
            SELECT k, 0, 0 FROM unnest(now_keys) k
        ) a GROUP BY a.k
    ), carried AS MATERIALIZED (
        SELECT f.k, f.added, f.gone, c.numbers FROM affected f CROSS JOIN LATERAL (
            SELECT array_agg(l.number) AS numbers FROM (
                SELECT m.number FROM match_key m WHERE m.key = f.k LIMIT most + f.added + 1) l
        ) c
    ), met AS (
        SELECT DISTINCT n FROM carried c CROSS JOIN LATERAL unnest(c.numbers) n
        WHERE cardinality(c.numbers) BETWEEN 2 AND most
    )
    SELECT 'k', c.k, c.numbers, c.added, c.gone, NULL::integer, NULL, NULL::bigint, NULL::bytea,
           NULL::bytea, NULL::boolean
    FROM carried c WHERE c.numbers IS NOT NULL
    UNION ALL
    SELECT 'r', NULL, NULL, NULL, NULL, m.number, m.source_patient, m.position, m.digest, m.body,
           NULL
    FROM met JOIN match_record m ON m.number = met.n
    WHERE m.source_patient <> ALL (patients)
    UNION ALL
    SELECT 'p', NULL, NULL, NULL, NULL, m.number, m.source_patient, m.position, NULL, NULL,
           EXISTS (SELECT FROM link l WHERE l.surviving = m.source_patient)
        OR EXISTS (SELECT FROM link l WHERE l.prior = m.source_patient)
        OR EXISTS (SELECT FROM identity_decision d WHERE d.low = m.source_patient)
        OR EXISTS (SELECT FROM identity_decision d WHERE d.high = m.source_patient)
        OR EXISTS (SELECT FROM person me JOIN person mate ON mate.person_id = me.person_id
                   WHERE me.source_patient = m.source_patient
                       AND mate.source_patient <> m.source_patient)
    FROM match_record m WHERE m.source_patient = ANY (patients);
END
$$;

-- What changed of who is who besides what the batch is about: those who follow the outbox are told.
CREATE FUNCTION batch_told(patients text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_all();
    UPDATE outbox o SET source_patients = ARRAY(
        SELECT DISTINCT p FROM unnest(o.source_patients || patients) p WHERE p <> '' ORDER BY p)
    WHERE o.seq = currval(pg_get_serial_sequence('public.outbox', 'seq'));
END
$$;

-- Everything derived is derived again, as a rebuild does: records were not matched before.
DO $$
BEGIN
    IF EXISTS (SELECT FROM person) THEN
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
