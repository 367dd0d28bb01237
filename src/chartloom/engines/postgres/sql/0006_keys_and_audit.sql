-- Keys of subjects, the audit log, tokens that were used: nobody gets at the tables themselves, only
-- at the functions below, which look at the claim (0005) and do nothing that the rules do not allow.

-- One key per subject, wrapped by a key that is never here. generation 0: destroyed, wrapped is
-- empty then, and the row stays, so that a late message cannot make a new key.
CREATE TABLE subject_key (
    created_at_us   bigint NOT NULL,
    destroyed_at_us bigint NOT NULL DEFAULT 0,
    generation      integer NOT NULL,
    subject         text COLLATE "C" PRIMARY KEY,
    destroyed_by    text COLLATE "C" NOT NULL DEFAULT '',
    reason          text COLLATE "C" NOT NULL DEFAULT '',
    wrapped         bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX subject_key_generation ON subject_key (generation);

CREATE TABLE subject_key_state (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    floor integer NOT NULL DEFAULT 0,     -- no key wrapped by an older generation is kept
    epoch bigint NOT NULL DEFAULT 0       -- how many were destroyed
);
INSERT INTO subject_key_state DEFAULT VALUES;

CREATE FUNCTION require_everyone(claim text, mac bytea) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF public.access_signed(claim, mac) IS NOT TRUE OR split_part(claim, ' ', 5) <> '*' THEN
        RAISE EXCEPTION 'there is no valid grant' USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE FUNCTION subject_keys_get(claim text, mac bytea, subjects text[])
RETURNS SETOF subject_key
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    RETURN QUERY SELECT k.* FROM public.subject_key k WHERE k.subject = ANY (subjects);
END
$$;

CREATE FUNCTION subject_keys_put(claim text, mac bytea, subjects text[], generations integer[],
    wrapped_keys bytea[], created_us bigint[]) RETURNS SETOF subject_key
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lowest integer;
BEGIN
    PERFORM public.require_everyone(claim, mac);
    -- Shared with other makers of keys: the floor rises when all of them are done.
    SELECT s.floor INTO STRICT lowest FROM public.subject_key_state s FOR SHARE;
    IF EXISTS (SELECT FROM unnest(generations) g WHERE g < lowest OR g < 1) THEN
        RAISE EXCEPTION 'a generation is below the floor' USING ERRCODE = 'CL001';
    END IF;
    INSERT INTO public.subject_key (subject, generation, wrapped, created_at_us)
    SELECT u.s, u.g, u.w, u.us
    FROM unnest(subjects, generations, wrapped_keys, created_us) u (s, g, w, us)
    ORDER BY u.s
    ON CONFLICT (subject) DO NOTHING;
    -- A statement of its own: it sees what others were faster with.
    RETURN QUERY SELECT k.* FROM public.subject_key k WHERE k.subject = ANY (subjects);
END
$$;

CREATE FUNCTION subject_keys_raise_floor(claim text, mac bytea, generation integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    UPDATE public.subject_key_state s SET floor = greatest(s.floor, generation);
END
$$;

CREATE FUNCTION subject_keys_below(claim text, mac bytea, below integer, most integer)
RETURNS SETOF subject_key
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    RETURN QUERY SELECT k.* FROM public.subject_key k
        WHERE k.generation > 0 AND k.generation < below LIMIT most;
END
$$;

-- Each only if it is still wrapped as it was: what was destroyed meanwhile stays so.
CREATE FUNCTION subject_keys_rewrap(claim text, mac bytea, subjects text[], old_wrapped bytea[],
    generations integer[], new_wrapped bytea[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done integer;
BEGIN
    PERFORM public.require_everyone(claim, mac);
    PERFORM FROM public.subject_key k WHERE k.subject = ANY (subjects)
        ORDER BY k.subject FOR UPDATE;
    UPDATE public.subject_key k SET generation = u.g, wrapped = u.new
    FROM unnest(subjects, old_wrapped, generations, new_wrapped) u (s, old, g, new)
    WHERE k.subject = u.s AND k.generation > 0 AND k.wrapped = u.old;
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END
$$;

CREATE FUNCTION subject_keys_destroy(claim text, mac bytea, gone text, at_us bigint, by_whom text,
    why text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    PERFORM FROM public.subject_key_state s FOR UPDATE;  -- before the key, as makers of keys do
    INSERT INTO public.subject_key AS k
        (subject, generation, wrapped, created_at_us, destroyed_at_us, destroyed_by, reason)
    VALUES (gone, 0, '', 0, at_us, by_whom, why)
    ON CONFLICT (subject) DO UPDATE SET generation = 0, wrapped = '', destroyed_at_us = at_us,
        destroyed_by = by_whom, reason = why
    WHERE k.generation > 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE public.subject_key_state s SET epoch = s.epoch + 1;
    RETURN true;
END
$$;

CREATE FUNCTION subject_keys_count(claim text, mac bytea)
RETURNS TABLE (generation integer, count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    RETURN QUERY SELECT k.generation, count(*) FROM public.subject_key k GROUP BY k.generation;
END
$$;

CREATE FUNCTION subject_keys_epoch(claim text, mac bytea) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    RETURN (SELECT s.epoch FROM public.subject_key_state s);
END
$$;

-- What was done, by whom. hash = sha256(previous || body); body: canonical JSON without PHI.
CREATE TABLE audit_event (
    seq      bigint PRIMARY KEY,
    at_us    bigint NOT NULL,
    previous bytea NOT NULL,
    hash     bytea NOT NULL,
    body     bytea NOT NULL
);

-- Locked by whoever appends: so numbers have no gaps and every event follows from the one before.
CREATE TABLE audit_end (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    size       bigint NOT NULL DEFAULT 0,
    last_hash  bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    last_at_us bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO audit_end DEFAULT VALUES;

CREATE FUNCTION audit_append(claim text, mac bytea, times_us bigint[], bodies bytea[])
RETURNS audit_end
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until  public.audit_end;
    digest bytea;
BEGIN
    PERFORM public.require_everyone(claim, mac);
    SELECT * INTO STRICT until FROM public.audit_end FOR UPDATE;
    FOR i IN 1 .. cardinality(bodies) LOOP
        digest := sha256(until.last_hash || bodies[i]);
        until.size := until.size + 1;
        INSERT INTO public.audit_event (seq, at_us, previous, hash, body)
        VALUES (until.size, times_us[i], until.last_hash, digest, bodies[i]);
        until.last_hash := digest;
        until.last_at_us := times_us[i];
    END LOOP;
    UPDATE public.audit_end e
    SET size = until.size, last_hash = until.last_hash, last_at_us = until.last_at_us;
    RETURN until;
END
$$;

-- Only for operations (which the privacy office is part of), never for treatment or research.
CREATE FUNCTION require_audit_reader(claim text, mac bytea) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    IF split_part(claim, ' ', 3) <> 'HOPERAT' THEN
        RAISE EXCEPTION 'the grant is not for this' USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE FUNCTION audit_read(claim text, mac bytea, after bigint, most integer)
RETURNS SETOF audit_event
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_audit_reader(claim, mac);
    RETURN QUERY SELECT e.* FROM public.audit_event e WHERE e.seq > after ORDER BY e.seq LIMIT most;
END
$$;

CREATE FUNCTION audit_now(claim text, mac bytea) RETURNS audit_end
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_audit_reader(claim, mac);
    RETURN (SELECT e FROM public.audit_end e);
END
$$;

-- Tokens that are good for one use, by keyed fingerprint of issuer and token id.
CREATE TABLE used_token (
    until_us    bigint NOT NULL,
    fingerprint bytea PRIMARY KEY
);
CREATE INDEX used_token_until ON used_token (until_us);

CREATE FUNCTION use_token(claim text, mac bytea, token bytea, good_until_us bigint, over_us bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    DELETE FROM public.used_token t WHERE t.until_us < over_us AND t.fingerprint <> token;
    INSERT INTO public.used_token (fingerprint, until_us) VALUES (token, good_until_us)
    ON CONFLICT (fingerprint) DO NOTHING;
    RETURN FOUND;
END
$$;
