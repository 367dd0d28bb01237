-- Whom, what place and what drug messages named and the site's tables do not know, by feed. Counted
-- when messages are applied, and again after a rebuild. body: how it was named, sealed.
CREATE TABLE unknown_reference (
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    count          bigint NOT NULL,
    shard          bigint NOT NULL,
    feed           text COLLATE "C" NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    body           bytea NOT NULL,
    PRIMARY KEY (feed, kind, id, shard)
) WITH (fillfactor = 70);

-- The tables of the directory as they were, and since when: so that a hand that edits them takes
-- nothing away. body: the files, sealed.
CREATE TABLE directory_version (
    seen_us     bigint NOT NULL,
    fingerprint text COLLATE "C" PRIMARY KEY,
    body        bytea NOT NULL
);

-- The unknown of a batch, within its transaction. shard: one per writer session, so that workers
-- never wait for each other here.
CREATE FUNCTION batch_unknown(
    writer   bigint,
    feeds    text[],
    kinds    text[],
    ids      text[],
    counts   integer[],
    firsts   bigint[],
    lasts    bigint[],
    bodies   bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    INSERT INTO unknown_reference AS u
        (first_position, last_position, count, shard, feed, kind, id, body)
    SELECT unnest(firsts), unnest(lasts), unnest(counts), writer, unnest(feeds), unnest(kinds),
           unnest(ids), unnest(bodies)
    ON CONFLICT (feed, kind, id, shard) DO UPDATE SET
        first_position = least(u.first_position, excluded.first_position),
        last_position = greatest(u.last_position, excluded.last_position),
        count = u.count + excluded.count;
END
$$;
