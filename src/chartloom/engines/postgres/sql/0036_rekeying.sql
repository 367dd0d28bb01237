-- Records are found by keys that the rules of one release made. When rules change, the records that are
-- there are looked at once more, a few at a time, by any number of workers:
-- first each gets the keys of now (match_stale), and nothing that was decided is taken back;
-- then all pairs of those who carry a key that somebody got, or that fewer carry now, are decided about
-- (match_due): by key, so that a record is opened once for all whom it meets there;
-- last, decisions about pairs that share no key any more are taken back (swept).
-- So nobody is parted on the way who belongs together by the rules of before and those of now.

-- By which rules the store was keyed, one after the other; the last is that of now.
CREATE TABLE match_rules (
    started_us bigint NOT NULL,
    ended_us   bigint NOT NULL,            -- 0: not all records are keyed by these
    records    bigint NOT NULL,            -- how many had to be looked at
    keyed      bigint NOT NULL DEFAULT 0,  -- of these were
    changed    bigint NOT NULL DEFAULT 0,  -- had other keys
    due        bigint NOT NULL DEFAULT 0,  -- keys whose carriers had to be compared
    sought     bigint NOT NULL DEFAULT 0,  -- and were
    swept      bigint NOT NULL DEFAULT 0,  -- decisions that were looked at
    run        smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    traits     text COLLATE "C" NOT NULL,
    keys       text COLLATE "C" NOT NULL,
    low        text COLLATE "C" NOT NULL DEFAULT '',  -- the decision that was looked at last
    high       text COLLATE "C" NOT NULL DEFAULT ''
);

-- anew: what is matched of the patient may be another too.
CREATE TABLE match_stale (
    number integer PRIMARY KEY,
    anew   boolean NOT NULL
);

CREATE TABLE match_due (key bigint PRIMARY KEY);

-- Records that are others now: all that was decided about them is decided again.
CREATE TABLE match_afresh (number integer PRIMARY KEY);

-- Says what the rules are. If they were others, all records are stale. Called by whoever migrates.
CREATE FUNCTION rules_put(traits_now text, keys_now text, now_us bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    last  match_rules;
    count bigint;
BEGIN
    LOCK TABLE match_rules IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO last FROM match_rules r ORDER BY r.run DESC LIMIT 1;
    IF last.traits = traits_now AND last.keys = keys_now THEN
        RETURN;
    END IF;
    INSERT INTO match_stale (number, anew)
    SELECT m.number, last.traits IS DISTINCT FROM traits_now FROM match_record m
    ON CONFLICT (number) DO UPDATE SET anew = match_stale.anew OR excluded.anew;
    GET DIAGNOSTICS count = ROW_COUNT;
    INSERT INTO match_rules (started_us, ended_us, records, traits, keys)
    VALUES (now_us, CASE WHEN count = 0 THEN now_us ELSE 0 END, count, traits_now, keys_now);
END
$$;

-- Up to ``most`` stale records that nobody else is at; their rows stay locked to the end of the
-- transaction. Without a patient: the record is gone.
CREATE FUNCTION match_stale_take(most integer)
RETURNS TABLE (number integer, anew boolean, source_patient text, "position" bigint, digest bytea,
    body bytea, keys bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    RETURN QUERY
        SELECT s.number, s.anew, m.source_patient, m.position, m.digest, m.body, m.keys
        FROM (SELECT t.number, t.anew FROM match_stale t ORDER BY t.number LIMIT most
              FOR UPDATE SKIP LOCKED) s
        LEFT JOIN match_record m ON m.number = s.number;
END
$$;

-- Gives records the keys of now, under the lock of all clusters. One that changed since it was read
-- stays stale.
CREATE FUNCTION match_rekey(
    settled   integer[],  -- stale ones that are as they should be, or gone
    numbers   integer[],  -- the others, with their digests as they were read
    was       bytea[],
    positions bigint[],
    digests   bytea[],
    bodies    bytea[],    -- empty: the record stays as it is
    afreshes  boolean[],
    new_keys  bigint[],
    owners    integer[],  -- whose key each of those is: place in numbers, from 1
    most      integer
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    mine        integer[];
    out_keys    bigint[];
    out_numbers integer[];
    in_keys     bigint[];
    in_numbers  integer[];
    dues        bigint;
BEGIN
    PERFORM require_all();
    PERFORM pg_advisory_xact_lock(19535, 0);
    mine := ARRAY(
        SELECT m.number FROM unnest(numbers, was) u (number, digest)
        JOIN match_record m ON m.number = u.number AND m.digest = u.digest);
    SELECT coalesce(array_agg(o.k), '{}'), coalesce(array_agg(o.n), '{}')
    INTO out_keys, out_numbers FROM (
        SELECT k, m.number FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k
        WHERE m.number = ANY (mine) EXCEPT
        SELECT k, numbers[o] FROM unnest(new_keys, owners) u (k, o)) o (k, n);
    SELECT coalesce(array_agg(i.k), '{}'), coalesce(array_agg(i.n), '{}')
    INTO in_keys, in_numbers FROM (
        SELECT k, numbers[o] FROM unnest(new_keys, owners) u (k, o) WHERE numbers[o] = ANY (mine)
        EXCEPT
        SELECT k, m.number FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k
        WHERE m.number = ANY (mine)) i (k, n);

    WITH added AS (
        INSERT INTO match_due (key)
        SELECT k FROM unnest(in_keys) k UNION
        -- Keys that were none, and may be one again.
        SELECT k FROM unnest(out_keys) k
        WHERE EXISTS (SELECT FROM match_key c WHERE c.key = k OFFSET most)
        ORDER BY 1 ON CONFLICT DO NOTHING RETURNING key
    ) SELECT count(*) INTO dues FROM added;
    DELETE FROM match_key d USING unnest(out_keys, out_numbers) u (k, n)
    WHERE d.key = u.k AND d.number = u.n;
    INSERT INTO match_key (key, number)
    SELECT k, n FROM unnest(in_keys, in_numbers) u (k, n) ORDER BY 1, 2 ON CONFLICT DO NOTHING;
    UPDATE match_record m SET
        keys = coalesce(g.keys, '{}'), position = g.position, digest = g.digest,
        body = CASE WHEN g.body = '' THEN m.body ELSE g.body END
    FROM (
        SELECT u.number, u.position, u.digest, u.body, n.keys
        FROM unnest(numbers, positions, digests, bodies)
            WITH ORDINALITY u (number, position, digest, body, place)
        LEFT JOIN (SELECT o, array_agg(k) AS keys FROM unnest(new_keys, owners) a (k, o)
                   GROUP BY o) n ON n.o = u.place
        WHERE u.number = ANY (mine)
    ) g WHERE m.number = g.number;

    INSERT INTO match_afresh (number)
    SELECT u.number FROM unnest(numbers, afreshes) u (number, afresh)
    WHERE u.number = ANY (mine) AND u.afresh ON CONFLICT DO NOTHING;
    DELETE FROM match_stale s WHERE s.number = ANY (mine || settled);
    UPDATE match_rules r SET
        keyed = keyed + cardinality(mine) + cardinality(settled), due = r.due + dues,
        changed = r.changed + cardinality(mine)
    WHERE r.run = (SELECT max(run) FROM match_rules);
END
$$;

-- Once nobody is stale: up to ``most_afresh`` records that are others now, or else up to ``most_due`` keys
-- whose carriers are to be compared. Rows are those of match_put; 'r' has the records themselves too.
-- Within a transaction that has the lock of all clusters.
CREATE FUNCTION match_seek(most_afresh integer, most_due integer, most integer)
RETURNS TABLE (kind text, key bigint, numbers integer[], added integer, gone integer,
    number integer, source_patient text, "position" bigint, digest bytea, body bytea, busy boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    afresh     integer[];
    their_keys bigint[] := '{}';
    due_keys   bigint[] := '{}';
BEGIN
    PERFORM require_all();
    IF EXISTS (SELECT FROM match_stale) THEN
        RETURN;
    END IF;
    WITH taken AS (
        DELETE FROM match_afresh d
        WHERE d.number IN (SELECT t.number FROM match_afresh t ORDER BY t.number LIMIT most_afresh)
        RETURNING d.number
    ) SELECT coalesce(array_agg(t.number), '{}') INTO afresh FROM taken t;
    IF cardinality(afresh) > 0 THEN
        their_keys := ARRAY(
            SELECT DISTINCT k FROM match_record m CROSS JOIN LATERAL unnest(m.keys) k
            WHERE m.number = ANY (afresh));
    ELSE
        WITH taken AS (
            DELETE FROM match_due d
            WHERE d.key IN (SELECT t.key FROM match_due t ORDER BY t.key LIMIT most_due)
            RETURNING d.key
        ) SELECT coalesce(array_agg(t.key), '{}') INTO due_keys FROM taken t;
        UPDATE match_rules r SET sought = sought + cardinality(due_keys)
        WHERE r.run = (SELECT max(run) FROM match_rules) AND cardinality(due_keys) > 0;
    END IF;
    RETURN QUERY
    WITH carried AS MATERIALIZED (
        SELECT f.k, f.gone, c.numbers FROM (
            SELECT k, 0 AS gone FROM unnest(their_keys) k UNION ALL
            -- As if so many had left it just now that it is one again.
            SELECT k, most + 1 FROM unnest(due_keys) k
        ) f CROSS JOIN LATERAL (
            SELECT array_agg(l.number) AS numbers FROM (
                SELECT m.number FROM match_key m WHERE m.key = f.k LIMIT most + 1) l
        ) c
    ), met AS (
        SELECT DISTINCT n FROM carried c CROSS JOIN LATERAL unnest(c.numbers) n
        WHERE cardinality(c.numbers) BETWEEN 2 AND most UNION SELECT unnest(afresh)
    )
    SELECT 'k', c.k, c.numbers, 0, c.gone, NULL::integer, NULL, NULL::bigint, NULL::bytea,
           NULL::bytea, NULL::boolean
    FROM carried c WHERE cardinality(c.numbers) BETWEEN 2 AND most
    UNION ALL
    SELECT 'r', NULL, NULL, NULL, NULL, m.number, m.source_patient, m.position, m.digest, m.body,
           NULL
    FROM met JOIN match_record m ON m.number = met.n
    UNION ALL
    SELECT 'p', NULL, NULL, NULL, NULL, m.number, m.source_patient, m.position, NULL, NULL, true
    FROM match_record m WHERE m.number = ANY (afresh);
END
$$;

-- Once nobody is left to look for others: takes back what was decided about pairs that share no key any
-- more, of the ``next`` decisions; those pairs. When all were looked at, the records are keyed by
-- the rules of now. Within a transaction that has the lock of all clusters.
CREATE FUNCTION match_sweep(next integer, most integer, now_us bigint)
RETURNS TABLE (low text, high text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    at    match_rules;
    lows  text[];
    highs text[];
BEGIN
    PERFORM require_all();
    SELECT * INTO at FROM match_rules r ORDER BY r.run DESC LIMIT 1 FOR UPDATE;
    IF at.ended_us <> 0 OR EXISTS (SELECT FROM match_stale) OR EXISTS (SELECT FROM match_due)
        OR EXISTS (SELECT FROM match_afresh)
    THEN
        RETURN;
    END IF;
    -- If nobody lost a key or got one, all pairs are as they were.
    IF at.changed > 0 THEN
        SELECT array_agg(n.low), array_agg(n.high) INTO lows, highs FROM (
            SELECT d.low, d.high FROM identity_decision d WHERE (d.low, d.high) > (at.low, at.high)
            ORDER BY d.low, d.high LIMIT next) n;
    END IF;
    IF lows IS NULL THEN
        UPDATE match_rules r SET ended_us = now_us WHERE r.run = at.run;
        RETURN;
    END IF;
    UPDATE match_rules r SET swept = swept + cardinality(lows), low = lows[cardinality(lows)],
        high = highs[cardinality(highs)]
    WHERE r.run = at.run;
    RETURN QUERY
    DELETE FROM identity_decision d USING unnest(lows, highs) u (low, high)
    WHERE d.low = u.low AND d.high = u.high AND NOT EXISTS (
        SELECT FROM match_record a JOIN match_record b ON b.source_patient = u.high
        CROSS JOIN LATERAL (SELECT unnest(a.keys) INTERSECT SELECT unnest(b.keys)) k (key)
        WHERE a.source_patient = u.low
            AND NOT EXISTS (SELECT FROM match_key c WHERE c.key = k.key OFFSET most))
    RETURNING d.low, d.high;
END
$$;

-- Who follows the outbox is told of those whom this moved.
CREATE FUNCTION rekeyed_told(patients text[], now_us bigint, worker text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    INSERT INTO outbox
        (applied_at_us, replay_until, live, project_version, worker, positions, source_patients)
    SELECT now_us, h.replay_until, true,
           coalesce((SELECT max(o.project_version) FROM outbox o), 0), worker, '{}', patients
    FROM log_head h;
END
$$;

-- The batch's own record: last, for it locks the audit log.
CREATE FUNCTION rekeyed_end(events_at_us bigint[], events bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_all();
    PERFORM audit_chain(events_at_us, events);
END
$$;
