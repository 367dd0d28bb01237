-- Who may read what, held by the database itself: row-level security that believes only the guard.
--
-- A transaction begins with begin_access(claim, mac). The claim says until when, under which grant,
-- for what purpose, which labels and which source patients; the mac proves that this site's guard
-- wrote it. What then holds is a setting of the transaction that carries a second mac, over backend
-- and transaction, made with a secret that only the owner can read. A setting that was made up,
-- copied from another transaction or outlived its grant opens nothing.
--
-- Policies ask in sub-selects without reference to the row, so that each is answered once per query.
-- Roles, privileges and the policies themselves are in protection_rules.py: see there.

CREATE TABLE access_secret (              -- pads of two HMAC-SHA256 keys (RFC 2104)
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    claim_inner   bytea NOT NULL,         -- the guard's key for claims
    claim_outer   bytea NOT NULL,
    session_inner bytea NOT NULL,         -- random, known nowhere else
    session_outer bytea NOT NULL
);

-- claim: expires_us SP grant_id SP purpose SP labels SP persons (* or ids joined by commas)
CREATE FUNCTION access_signed(claim text, mac bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s public.access_secret;
BEGIN
    SELECT * INTO STRICT s FROM public.access_secret;
    RETURN sha256(s.claim_outer || sha256(s.claim_inner || convert_to(claim, 'UTF8'))) = mac
        AND split_part(claim, ' ', 1)::bigint > extract(epoch FROM clock_timestamp()) * 1000000;
END
$$;

CREATE FUNCTION begin_access(claim text, mac bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s     public.access_secret;
    bound bytea := convert_to(claim, 'UTF8');
BEGIN
    SELECT * INTO STRICT s FROM public.access_secret;
    IF (sha256(s.claim_outer || sha256(s.claim_inner || bound)) = mac
        AND to_timestamp(split_part(claim, ' ', 1)::float8 / 1000000) > clock_timestamp())
        IS NOT TRUE
    THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    PERFORM set_config(
        'chartloom.access',
        encode(sha256(s.session_outer || sha256(s.session_inner || int4send(pg_backend_pid())
            || timestamptz_send(now()) || bound)), 'hex') || ' ' || claim,
        true);
END
$$;

-- The parts of the claim that holds in this transaction; NULL if none does. This is asked for every
-- table of every query: what is bound are the binary forms, which cost least.
CREATE FUNCTION access_claim() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given text := current_setting('chartloom.access', true);
    parts text[];
    inner_pad bytea;
    outer_pad bytea;
BEGIN
    IF given IS NULL OR length(given) < 66 THEN
        RETURN NULL;
    END IF;
    SELECT session_inner, session_outer INTO STRICT inner_pad, outer_pad FROM public.access_secret;
    IF encode(sha256(outer_pad || sha256(inner_pad || int4send(pg_backend_pid())
            || timestamptz_send(now()) || convert_to(substr(given, 66), 'UTF8'))), 'hex')
           IS DISTINCT FROM left(given, 64) THEN
        RETURN NULL;
    END IF;
    parts := string_to_array(substr(given, 66), ' ');
    IF to_timestamp(parts[1]::float8 / 1000000) > clock_timestamp() THEN
        RETURN parts;
    END IF;
    RETURN NULL;
END
$$;

-- Bodies that are bound when they are made: no search path can bend them, and they are inlined.
CREATE FUNCTION access_granted() RETURNS boolean LANGUAGE sql STABLE
RETURN public.access_claim() IS NOT NULL;

CREATE FUNCTION access_everyone() RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce((public.access_claim())[5] = '*', false);

CREATE FUNCTION access_persons() RETURNS text[] LANGUAGE sql STABLE
RETURN string_to_array((public.access_claim())[5], ',');

-- The bits of the labels that the grant does not cover: all, without one.
CREATE FUNCTION access_forbidden() RETURNS integer LANGUAGE sql STABLE
RETURN ~ coalesce(((public.access_claim())[4])::integer, 0);

-- Everyone and all labels in one look (the services): label bits that are known today are 0 to 7.
CREATE FUNCTION access_all() RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := public.access_claim();
BEGIN
    RETURN coalesce(parts[5] = '*' AND parts[4]::integer & 255 = 255, false);
END
$$;

-- Sensitivity labels, as masks (domain/labels.py). A view row holds things of one mask only.
ALTER TABLE resource ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE outcome  ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE bundle   ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE view     ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE view DROP CONSTRAINT view_pkey;
ALTER TABLE view ADD PRIMARY KEY (source_patient, section, part, labels);

-- What only the owner may do is done for others by functions that look at the grant themselves.

-- A number for a writer session: the sequence itself would tell how many there were.
CREATE FUNCTION next_shard() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT public.access_everyone() THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    RETURN nextval('public.shard');
END
$$;

-- Makes the partitions of the log from today (days since 1970) on for a few days; the last of them.
CREATE FUNCTION keep_partitions(today integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day integer;
    low       bigint;
    name      text;
BEGIN
    IF NOT public.access_everyone() THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    SELECT s.first_day INTO STRICT first_day FROM public.site s;
    FOR day IN greatest(today, first_day) .. today + 2 LOOP
        name := 'landing_' || to_char(date '1970-01-01' + day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        low := (day - first_day)::bigint * 1000000000;
        BEGIN
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.landing'
                ' FOR VALUES FROM (%s) TO (%s) WITH (toast_tuple_target = 8160)',
                name, low, low + 1000000000);
            -- Nobody but through the log itself.
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXCEPTION WHEN check_violation OR duplicate_table THEN
            -- Rows of that day are in the default partition already, or another was faster.
            NULL;
        END;
    END LOOP;
    RETURN today + 2;
END
$$;

-- In place of the function of 0002: the same under a claim, still one round trip. What follows the
-- claim stands in both files, because a migration that has run somewhere is never edited.
DROP FUNCTION land_new(bigint, bigint[], integer[], smallint[], text[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], integer[], integer[], bigint[]);
CREATE FUNCTION land_new(
    claim           text,
    mac             bytea,
    first_position  bigint,
    arrived_us      bigint[],
    sizes           integer[],
    lanes           smallint[],
    feeds           text[],
    control_ids     text[],
    message_types   text[],
    source_patients text[],
    bodies          bytea[],
    keys            bigint[],
    digests         bytea[],
    count_feeds     text[],
    count_minutes   integer[],
    counts          integer[],
    count_last_us   bigint[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    head bigint;
BEGIN
    IF access_signed(claim, mac) IS NOT TRUE OR split_part(claim, ' ', 5) <> '*' THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    SELECT position INTO STRICT head FROM log_head FOR UPDATE;
    -- Statements of their own: their snapshots are taken when the lock is held.
    IF head >= first_position OR EXISTS (SELECT FROM landed_key k WHERE k.key = ANY (keys)) THEN
        RETURN false;
    END IF;
    INSERT INTO landing
        (position, received_at_us, size_bytes, lane, conflict, feed, control_id, message_type,
         source_patient, body)
    SELECT first_position + u.n - 1, u.us, u.size, u.lane, false, u.feed, u.control, u.type,
           u.patient, u.body
    FROM unnest(arrived_us, sizes, lanes, feeds, control_ids, message_types, source_patients,
                bodies)
        WITH ORDINALITY AS u (us, size, lane, feed, control, type, patient, body, n);
    INSERT INTO landed_key (key, position, digest)
    SELECT u.k, first_position + u.n - 1, u.d
    FROM unnest(keys, digests) WITH ORDINALITY AS u (k, d, n);
    INSERT INTO feed_minute_in AS f
        (feed, minute, received_count, duplicate_count, conflict_count, last_received_us)
    SELECT u.feed, u.minute, u.count, 0, 0, u.last_us
    FROM unnest(count_feeds, count_minutes, counts, count_last_us) u (feed, minute, count, last_us)
    ON CONFLICT (feed, minute) DO UPDATE SET
        received_count = f.received_count + excluded.received_count,
        last_received_us = greatest(f.last_received_us, excluded.last_received_us);
    UPDATE log_head SET position = first_position + cardinality(keys) - 1;
    NOTIFY chartloom_landed;
    RETURN true;
END
$$;
