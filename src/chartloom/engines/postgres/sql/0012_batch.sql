-- A batch in one round trip: the worker sends the calls below together, as one transaction, instead
-- of a statement for each table. What is to be checked is checked here, so that nobody has to look
-- at a result before the next call goes out. Parameters are columns: one element per row. They are
-- unnested side by side in select lists: in FROM, each would be written to a store of its own first,
-- which for a small batch costs more than all else.
--
-- batch_write takes the claim (0005); the others go by what then holds in the transaction. It must
-- be for everyone and all labels: a batch writes what messages say, whomever they are about.
--
-- Errors: CL002 the batch is not what comes next in its lanes; CL003 the log was rewound;
-- CL004 a row (of the table named) is not as the batch was folded on; CL005 a key was destroyed.

CREATE FUNCTION require_all() RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF public.access_all() IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
END
$$;

-- The same for a claim that is good for one call.
CREATE FUNCTION require_all_of(claim text, mac bytea) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (public.access_signed(claim, mac) AND split_part(claim, ' ', 5) = '*'
        AND split_part(claim, ' ', 4)::integer & 255 = 255) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
END
$$;

-- Reading: what is pending, and what a batch is folded on.

-- The next messages of the lanes: those to be tried again (head is NULL then), else what follows
-- in position order. after: up to there the lanes are known to be consumed, so that the end of the
-- log is all that has to be looked at; NULL: their cursors tell. Always one row or more: without
-- messages, one without position. head, generation: of the log, as of the same moment.
-- In force is the function of 0013, which joins what is to be tried again with the log. This one
-- stands here as well, because a migration that has run somewhere is never edited (but for
-- comments); the same holds for current_states below.
CREATE FUNCTION pending_messages(
    claim       text,
    mac         bytea,
    wanted      smallint[],        -- lanes
    after       bigint,
    most        integer,
    bytes_most  bigint,            -- the first message comes whatever its size
    again_most  integer            -- of those to be tried again
) RETURNS TABLE (
    head bigint, generation integer, "position" bigint, feed text, received_at_us bigint,
    lane smallint, control_id text, message_type text, source_patient text, conflict boolean,
    body bytea
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    IF EXISTS (SELECT FROM retry r WHERE r.lane = ANY (wanted)) THEN
        RETURN QUERY
        SELECT NULL::bigint, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM (SELECT r.position FROM retry r WHERE r.lane = ANY (wanted)
              ORDER BY r.position LIMIT again_most) r
        CROSS JOIN LATERAL (SELECT * FROM landing l WHERE l.position = r.position) m
        CROSS JOIN log_head h ORDER BY m.position;
    ELSIF after IS NOT NULL THEN
        RETURN QUERY
        SELECT h.position, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM log_head h LEFT JOIN (
            SELECT n.*, sum(n.size_bytes) OVER rising AS bytes, row_number() OVER rising AS number
            FROM (SELECT * FROM landing l WHERE l.position > after AND l.lane = ANY (wanted)
                  ORDER BY l.position LIMIT most) n
            WINDOW rising AS (ORDER BY n.position ROWS UNBOUNDED PRECEDING)
        ) m ON m.bytes <= bytes_most OR m.number = 1
        ORDER BY m.position;
    ELSE
        RETURN QUERY
        WITH next AS MATERIALIZED (
            SELECT n.* FROM lane c CROSS JOIN LATERAL (
                SELECT l.position, l.size_bytes FROM landing l
                WHERE l.lane = c.lane AND l.position > c.cursor
                ORDER BY l.position LIMIT most
            ) n WHERE c.lane = ANY (wanted)
        ), bounded AS (
            SELECT n.position, sum(n.size_bytes) OVER rising AS bytes,
                   row_number() OVER rising AS number
            FROM next n
            WINDOW rising AS (ORDER BY n.position ROWS UNBOUNDED PRECEDING)
        ), chosen AS MATERIALIZED (
            SELECT b.position FROM bounded b
            WHERE (b.bytes <= bytes_most OR b.number = 1) AND b.number <= most
        )
        SELECT h.position, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body
        FROM log_head h LEFT JOIN (
            SELECT l.* FROM chosen p CROSS JOIN LATERAL (
                SELECT * FROM landing l WHERE l.position = p.position) l
        ) m ON true
        ORDER BY m.position;
    END IF;
END
$$;

CREATE FUNCTION current_states(claim text, mac bytea, ids text[])
RETURNS TABLE (id text, source_patient text, directory boolean, revision integer, body bytea,
    labels integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    RETURN QUERY SELECT r.id, r.source_patient, r.directory, r.revision, r.body, r.labels
        FROM resource r WHERE r.id = ANY (ids);
END
$$;

CREATE FUNCTION current_views(claim text, mac bytea, source_patients text[], sections smallint[],
    parts integer[], label_masks integer[])
RETURNS TABLE (source_patient text, section smallint, part integer, total integer,
    revision integer, body bytea, labels integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    RETURN QUERY SELECT v.source_patient, v.section, v.part, v.total, v.revision, v.body, v.labels
        FROM (SELECT unnest(source_patients) AS patient, unnest(sections) AS section,
                     unnest(parts) AS part, unnest(label_masks) AS labels) k
        JOIN view v ON v.source_patient = k.patient AND v.section = k.section
            AND v.part = k.part AND v.labels = k.labels;
END
$$;

-- Writing.

-- Locks the lanes, makes sure that the batch is exactly what comes next in them, and moves them on;
-- then what became of each message, what it said, and what holds now. States before directory
-- before views, each sorted: no two batches lock crosswise.
CREATE FUNCTION batch_write(
    claim            text,
    mac              bytea,
    known_generation integer,
    lanes            smallint[],
    counts           integer[],    -- of the batch's messages in each lane
    firsts           bigint[],     -- their lowest position
    lasts            bigint[],     -- the lane is consumed up to here
    message_lanes    smallint[],   -- the lane of each message
    applied_us       bigint,
    known_version    smallint,
    worker           text,
    live             boolean,
    replay_until     bigint,
    -- outcomes, one per message
    positions        bigint[],
    received_us      bigint[],
    events_us        bigint[],
    sizes            integer[],
    issue_counts     integer[],
    mapped_counts    integer[],
    ignored_counts   integer[],
    unmapped_counts  integer[],
    feeds            text[],
    message_types    text[],
    control_ids      text[],
    message_patients text[],
    quarantines      text[],
    message_labels   integer[],
    -- bundles, one per source patient that a message speaks of
    bundle_positions bigint[],
    ordinals         smallint[],
    bundle_patients  text[],
    touched          bytea[],
    bundle_bodies    bytea[],
    bundle_labels    integer[],
    -- resources of patients that nobody spoke of before
    new_sorts_us     bigint[],
    new_versions     bigint[],
    new_parts        integer[],
    new_sections     smallint[],
    new_hiddens      boolean[],
    new_ids          text[],
    new_patients     text[],
    new_types        text[],
    new_series       text[],
    new_bodies       bytea[],
    new_labels       integer[],
    -- those that must be as they were read, one revision earlier
    sorts_us         bigint[],
    versions         bigint[],
    revisions        integer[],
    parts            integer[],
    sections         smallint[],
    hiddens          boolean[],
    ids              text[],
    patients         text[],
    serieses         text[],
    bodies           bytea[],
    label_masks      integer[],
    -- what is about the hospital: the best statement wins, whoever comes first
    site_versions    bigint[],
    site_events_us   bigint[],
    site_ranks       integer[],
    site_ids         text[],
    site_types       text[],
    site_bodies      bytea[],
    -- views, new
    view_new_totals   integer[],
    view_new_parts    integer[],
    view_new_sections smallint[],
    view_new_patients text[],
    view_new_bodies   bytea[],
    view_new_labels   integer[],
    -- views that must be as they were read, one revision earlier
    view_revisions   integer[],
    view_totals      integer[],
    view_parts       integer[],
    view_sections    smallint[],
    view_patients    text[],
    view_bodies      bytea[],
    view_labels      integer[],
    -- who cares for whom; the relations of some resources are replaced
    care_gone        text[],
    care_starts_us   bigint[],
    care_ends_us     bigint[],
    care_ids         text[],
    care_patients    text[],
    care_whos        text[],
    care_kinds       text[],
    -- labels of persons
    person_labels    integer[],
    persons          text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    again   bigint[];
    written bigint;
BEGIN
    PERFORM begin_access(claim, mac);
    PERFORM require_all();

    PERFORM FROM lane l WHERE l.lane = ANY (lanes) ORDER BY l.lane FOR UPDATE;
    IF (SELECT generation FROM log_head) IS DISTINCT FROM known_generation THEN
        RAISE EXCEPTION 'the log was rewound' USING ERRCODE = 'CL003';
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT unnest(lanes) AS lane, unnest(counts) AS given,
                            unnest(firsts) AS first, unnest(lasts) AS last) u
        JOIN lane c ON c.lane = u.lane
        WHERE u.first <= c.cursor OR u.given <> (
            SELECT count(*) FROM landing l
            WHERE l.lane = u.lane AND l.position > c.cursor AND l.position <= u.last)
    ) THEN
        -- Some lie behind the cursor: those must be waiting to be tried again.
        IF EXISTS (
            SELECT FROM unnest(lanes, lasts) u (lane, last) JOIN lane c ON c.lane = u.lane
            WHERE (SELECT count(*) FROM unnest(positions, message_lanes) m (position, lane)
                   WHERE m.lane = u.lane AND m.position > c.cursor)
               <> (SELECT count(*) FROM landing l
                   WHERE l.lane = u.lane AND l.position > c.cursor AND l.position <= u.last)
        ) THEN
            RAISE EXCEPTION 'the batch is not what comes next' USING ERRCODE = 'CL002';
        END IF;
        again := ARRAY(
            SELECT m.position FROM unnest(positions, message_lanes) m (position, lane)
            JOIN lane c ON c.lane = m.lane WHERE m.position <= c.cursor);
        DELETE FROM retry r WHERE r.position = ANY (again);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(again) THEN
            RAISE EXCEPTION 'the batch was applied before' USING ERRCODE = 'CL002';
        END IF;
    END IF;
    UPDATE lane l SET cursor = greatest(l.cursor, u.last)
    FROM (SELECT unnest(lanes) AS lane, unnest(lasts) AS last) u WHERE l.lane = u.lane;

    INSERT INTO outcome
        (position, received_at_us, applied_at_us, event_us, size_bytes, issue_count, mapped_count,
         ignored_count, unmapped_count, project_version, feed, message_type, control_id,
         source_patient, quarantine, labels)
    SELECT unnest(positions), unnest(received_us), applied_us, unnest(events_us), unnest(sizes),
           unnest(issue_counts), unnest(mapped_counts), unnest(ignored_counts),
           unnest(unmapped_counts), known_version, unnest(feeds), unnest(message_types),
           unnest(control_ids), unnest(message_patients), unnest(quarantines),
           unnest(message_labels);
    INSERT INTO bundle (position, ordinal, source_patient, touched, body, labels)
    SELECT unnest(bundle_positions), unnest(ordinals), unnest(bundle_patients), unnest(touched),
           unnest(bundle_bodies), unnest(bundle_labels);
    INSERT INTO outbox
        (applied_at_us, replay_until, live, project_version, worker, positions, source_patients)
    VALUES (applied_us, replay_until, live, known_version, worker, positions,
            ARRAY(SELECT DISTINCT p FROM unnest(bundle_patients) p WHERE p <> '' ORDER BY p));

    IF cardinality(new_ids) > 0 THEN
        INSERT INTO resource
            (sort_us, version, event_us, revision, rank, part, section, hidden, directory, id,
             source_patient, type, series, body, labels)
        SELECT unnest(new_sorts_us), unnest(new_versions), 0, 1, 0, unnest(new_parts),
               unnest(new_sections), unnest(new_hiddens), false, unnest(new_ids),
               unnest(new_patients), unnest(new_types), unnest(new_series), unnest(new_bodies),
               unnest(new_labels);
    END IF;
    IF cardinality(ids) > 0 THEN
        UPDATE resource r SET
            sort_us = u.sort_us, version = u.version, revision = u.revision, part = u.part,
            section = u.section, hidden = u.hidden, source_patient = u.patient,
            series = u.series, body = u.body, labels = u.labels
        FROM (
            SELECT unnest(sorts_us) AS sort_us, unnest(versions) AS version,
                   unnest(revisions) AS revision, unnest(parts) AS part,
                   unnest(sections) AS section, unnest(hiddens) AS hidden, unnest(ids) AS id,
                   unnest(patients) AS patient, unnest(serieses) AS series,
                   unnest(bodies) AS body, unnest(label_masks) AS labels
        ) u
        WHERE r.id = u.id AND r.revision = u.revision - 1 AND NOT r.directory;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(ids) THEN
            RAISE EXCEPTION 'a state changed meanwhile' USING ERRCODE = 'CL004', TABLE = 'resource';
        END IF;
    END IF;
    IF cardinality(site_ids) > 0 THEN
        INSERT INTO resource AS r
            (sort_us, version, event_us, revision, rank, part, section, hidden, directory, id,
             source_patient, type, series, body, labels)
        SELECT 0, unnest(site_versions), unnest(site_events_us), 1, unnest(site_ranks), 0, 0,
               false, true, unnest(site_ids), '', unnest(site_types), '', unnest(site_bodies), 0
        ON CONFLICT (id) DO UPDATE SET
            rank = excluded.rank, event_us = excluded.event_us, version = excluded.version,
            type = excluded.type, body = excluded.body
        WHERE r.directory AND (r.rank, r.event_us, r.version)
            < (excluded.rank, excluded.event_us, excluded.version);
    END IF;
    IF cardinality(view_new_totals) > 0 THEN
        INSERT INTO view (revision, total, part, section, source_patient, body, labels)
        SELECT 1, unnest(view_new_totals), unnest(view_new_parts), unnest(view_new_sections),
               unnest(view_new_patients), unnest(view_new_bodies), unnest(view_new_labels);
    END IF;
    IF cardinality(view_revisions) > 0 THEN
        UPDATE view v SET revision = u.revision, total = u.total, body = u.body
        FROM (
            SELECT unnest(view_revisions) AS revision, unnest(view_totals) AS total,
                   unnest(view_parts) AS part, unnest(view_sections) AS section,
                   unnest(view_patients) AS patient, unnest(view_bodies) AS body,
                   unnest(view_labels) AS labels
        ) u
        WHERE v.source_patient = u.patient AND v.section = u.section AND v.part = u.part
            AND v.labels = u.labels AND v.revision = u.revision - 1;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(view_revisions) THEN
            RAISE EXCEPTION 'a view changed meanwhile' USING ERRCODE = 'CL004', TABLE = 'view';
        END IF;
    END IF;

    IF cardinality(care_gone) > 0 THEN
        DELETE FROM care c WHERE c.resource_id = ANY (care_gone);
    END IF;
    IF cardinality(care_ids) > 0 THEN
        INSERT INTO care (start_us, end_us, resource_id, source_patient, who, kind)
        SELECT unnest(care_starts_us), unnest(care_ends_us), unnest(care_ids),
               unnest(care_patients), unnest(care_whos), unnest(care_kinds);
    END IF;
    IF cardinality(persons) > 0 THEN
        INSERT INTO person_label AS p (labels, source_patient)
        SELECT unnest(person_labels), unnest(persons)
        ON CONFLICT (source_patient) DO UPDATE SET labels = p.labels | excluded.labels
        WHERE p.labels & excluded.labels <> excluded.labels;
    END IF;
END
$$;

-- Who is who: blind identifiers, persons, link events, record numbers. Returns those whose clusters
-- have to be worked out anew, in the same transaction, because they are joined to anybody or were.
CREATE FUNCTION batch_persons(
    identifier_blinds   bytea[],
    identifier_patients text[],
    persons             text[],
    -- link events
    link_positions      bigint[],
    link_events_us      bigint[],
    link_ordinals       smallint[],
    link_kinds          text[],
    survivings          text[],
    priors              text[],
    rules               text[],
    -- record numbers
    record_blinds       bytea[],
    record_patients     text[],
    shared_max          integer     -- a number that more carry identifies nobody
) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    added bytea[];
    seeds text[];
BEGIN
    PERFORM require_all();
    INSERT INTO identifier (blind, source_patient)
    SELECT unnest(identifier_blinds), unnest(identifier_patients) ON CONFLICT DO NOTHING;
    INSERT INTO person (source_patient, person_id)
    SELECT p, p FROM unnest(persons) p ON CONFLICT DO NOTHING;
    IF cardinality(link_positions) + cardinality(record_blinds) = 0 THEN
        RETURN '{}';
    END IF;
    PERFORM pg_advisory_xact_lock(19535, 0);  -- of all clusters, to the end of the transaction
    IF cardinality(link_positions) > 0 THEN
        INSERT INTO link (position, event_us, ordinal, kind, surviving, prior, rule)
        SELECT unnest(link_positions), unnest(link_events_us), unnest(link_ordinals),
               unnest(link_kinds), unnest(survivings), unnest(priors), unnest(rules);
    END IF;
    WITH new AS (
        INSERT INTO record_number (blind, source_patient)
        SELECT unnest(record_blinds), unnest(record_patients) ON CONFLICT DO NOTHING
        RETURNING blind
    ) SELECT coalesce(array_agg(blind), '{}') INTO added FROM new;
    seeds := survivings || priors || ARRAY(
        -- Whose record number somebody else has as well, or who is in a cluster.
        SELECT p FROM unnest(record_patients) p
        WHERE EXISTS (
            SELECT FROM record_number mine
            JOIN record_number theirs ON theirs.blind = mine.blind
            WHERE mine.source_patient = p AND theirs.source_patient <> p
        ) OR EXISTS (
            SELECT FROM person me JOIN person mate ON mate.person_id = me.person_id
            WHERE me.source_patient = p AND mate.source_patient <> p
        ) OR EXISTS (SELECT FROM link l WHERE l.surviving = p)
          OR EXISTS (SELECT FROM link l WHERE l.prior = p)
    ) || ARRAY(
        -- All who carry a number that identifies nobody since so many were added.
        SELECT r.source_patient
        FROM (SELECT blind, count(*) AS more FROM unnest(added) blind GROUP BY blind) grown
        CROSS JOIN LATERAL (
            SELECT count(*) AS carriers FROM (
                SELECT FROM record_number n WHERE n.blind = grown.blind
                LIMIT shared_max + grown.more + 1) c
        ) counted
        JOIN record_number r ON r.blind = grown.blind
        WHERE counted.carriers - grown.more <= shared_max AND counted.carriers > shared_max
    );
    RETURN ARRAY(SELECT DISTINCT s FROM unnest(seeds) s);
END
$$;

-- Appends to the audit log (as audit_append of 0006 did by itself) for those functions that have
-- looked at the claim; nobody may call it.
CREATE FUNCTION audit_chain(times_us bigint[], bodies bytea[]) RETURNS audit_end
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until  public.audit_end;
    digest bytea;
BEGIN
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

CREATE OR REPLACE FUNCTION audit_append(claim text, mac bytea, times_us bigint[], bodies bytea[])
RETURNS audit_end
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.require_everyone(claim, mac);
    RETURN public.audit_chain(times_us, bodies);
END
$$;

DROP FUNCTION batch_record(text, bytea, bigint, bigint[], bytea[]);

-- Statistics, and last of all, for it locks the audit log: makes sure that no key was destroyed
-- since the worker looked, so that nothing is written back of whom it was destroyed for, and puts
-- the batch on record.
CREATE FUNCTION batch_end(
    known_epoch     bigint,        -- negative: there are no keys that could be destroyed
    events_at_us    bigint[],
    events          bytea[],
    -- running totals of this worker's rows
    feeds           text[],
    minutes         integer[],
    shards          bigint[],
    applied         integer[],
    quarantined     integer[],
    issue_counts    integer[],
    last_events_us  bigint[],
    latencies       bytea[],
    -- issues, to be added
    issue_feeds     text[],
    issue_days      integer[],
    issue_codes     text[],
    issue_shards    bigint[],
    issues          integer[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    current bigint;
BEGIN
    PERFORM require_all();
    IF cardinality(issues) > 0 THEN
        INSERT INTO issue_day AS i (feed, day, code, shard, count)
        SELECT unnest(issue_feeds), unnest(issue_days), unnest(issue_codes),
               unnest(issue_shards), unnest(issues)
        ON CONFLICT (feed, day, code, shard) DO UPDATE SET count = i.count + excluded.count;
    END IF;
    INSERT INTO feed_minute_out AS f
        (feed, minute, shard, applied_count, quarantined_count, issue_count, last_event_us, latency)
    SELECT unnest(feeds), unnest(minutes), unnest(shards), unnest(applied), unnest(quarantined),
           unnest(issue_counts), unnest(last_events_us), unnest(latencies)
    ON CONFLICT (feed, minute, shard) DO UPDATE SET
        applied_count = excluded.applied_count, quarantined_count = excluded.quarantined_count,
        issue_count = excluded.issue_count, last_event_us = excluded.last_event_us,
        latency = excluded.latency;
    -- Shared: who destroys a key waits for the batches on the way, and those after it see that.
    SELECT s.epoch INTO STRICT current FROM subject_key_state s FOR SHARE;
    IF known_epoch >= 0 AND current <> known_epoch THEN
        RAISE EXCEPTION 'a key was destroyed' USING ERRCODE = 'CL005';
    END IF;
    PERFORM audit_chain(events_at_us, events);
END
$$;

-- In place of the function of 0005: the same with columns unnested side by side (see above), and
-- with the lanes named in the notice. The rest stands there as well, because a migration that has
-- run somewhere is never edited.
CREATE OR REPLACE FUNCTION land_new(
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
    last bigint := first_position + cardinality(keys) - 1;
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
    SELECT generate_series(first_position, last), unnest(arrived_us), unnest(sizes), unnest(lanes),
           false, unnest(feeds), unnest(control_ids), unnest(message_types),
           unnest(source_patients), unnest(bodies);
    INSERT INTO landed_key (key, position, digest)
    SELECT unnest(keys), generate_series(first_position, last), unnest(digests);
    INSERT INTO feed_minute_in AS f
        (feed, minute, received_count, duplicate_count, conflict_count, last_received_us)
    SELECT unnest(count_feeds), unnest(count_minutes), unnest(counts), 0, 0, unnest(count_last_us)
    ON CONFLICT (feed, minute) DO UPDATE SET
        received_count = f.received_count + excluded.received_count,
        last_received_us = greatest(f.last_received_us, excluded.last_received_us);
    UPDATE log_head SET position = last;
    -- Only whoever holds one of these lanes has to wake up.
    PERFORM pg_notify('chartloom_landed',
                      array_to_string(ARRAY(SELECT DISTINCT l FROM unnest(lanes) l), ' '));
    RETURN true;
END
$$;

-- In place of the function of 0006: most often nothing has to be locked or written, for all subjects
-- have a key; so whoever needs keys can ask at once, with new ones at hand.
CREATE OR REPLACE FUNCTION subject_keys_put(claim text, mac bytea, subjects text[],
    generations integer[], wrapped_keys bytea[], created_us bigint[]) RETURNS SETOF subject_key
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lowest integer;
BEGIN
    PERFORM public.require_everyone(claim, mac);
    IF EXISTS (SELECT FROM unnest(subjects) s
               WHERE NOT EXISTS (SELECT FROM public.subject_key k WHERE k.subject = s))
    THEN
        -- Shared with other makers of keys: the floor rises when all of them are done.
        SELECT s.floor INTO STRICT lowest FROM public.subject_key_state s FOR SHARE;
        IF EXISTS (SELECT FROM unnest(generations) g WHERE g < lowest OR g < 1) THEN
            RAISE EXCEPTION 'a generation is below the floor' USING ERRCODE = 'CL001';
        END IF;
        INSERT INTO public.subject_key (subject, generation, wrapped, created_at_us)
        SELECT u.s, u.g, u.w, u.us FROM (
            SELECT unnest(subjects) AS s, unnest(generations) AS g, unnest(wrapped_keys) AS w,
                   unnest(created_us) AS us
        ) u ORDER BY u.s
        ON CONFLICT (subject) DO NOTHING;
    END IF;
    -- A statement of its own: it sees what others were faster with.
    RETURN QUERY SELECT k.* FROM public.subject_key k WHERE k.subject = ANY (subjects);
END
$$;
