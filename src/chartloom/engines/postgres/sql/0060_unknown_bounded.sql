-- In place of the function of 0025: a feed that names ever new things nobody knows (filler, counters)
-- does not grow the table without end. What is there is counted on; what is new is left out once a
-- feed has so many rows, of all writers together. Pages then say that there are more.
CREATE OR REPLACE FUNCTION batch_unknown(
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
DECLARE
    most constant integer := 20000;
    crowded text[];
BEGIN
    PERFORM require_all();
    crowded := ARRAY(
        SELECT f FROM (SELECT DISTINCT unnest(feeds) AS f) named
        WHERE (SELECT count(*) FROM (
            SELECT FROM unknown_reference x WHERE x.feed = f LIMIT most) y) >= most);
    INSERT INTO unknown_reference AS u
        (first_position, last_position, count, shard, feed, kind, id, body)
    SELECT n.first_position, n.last_position, n.count, writer, n.feed, n.kind, n.id, n.body
    FROM (SELECT unnest(firsts) AS first_position, unnest(lasts) AS last_position,
                 unnest(counts) AS count, unnest(feeds) AS feed, unnest(kinds) AS kind,
                 unnest(ids) AS id, unnest(bodies) AS body) n
    WHERE n.feed <> ALL (crowded) OR EXISTS (
        SELECT FROM unknown_reference k
        WHERE k.feed = n.feed AND k.kind = n.kind AND k.id = n.id)
    ON CONFLICT (feed, kind, id, shard) DO UPDATE SET
        first_position = least(u.first_position, excluded.first_position),
        last_position = greatest(u.last_position, excluded.last_position),
        count = u.count + excluded.count;
END
$$;
