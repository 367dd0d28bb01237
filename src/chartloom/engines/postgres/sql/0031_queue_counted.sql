-- How many reviews there are is counted as they are written, so that whoever looks at the queue does not
-- count all that there ever were. Reviews of records (low = high) are not in it: where those stand is
-- for whoever asks.

-- In the order of the queue, so that a page is read without sorting what is not on it.
ALTER TABLE identity_review ADD COLUMN rank double precision GENERATED ALWAYS AS (-weight) STORED;
DROP INDEX identity_review_queue;
CREATE INDEX identity_review_queue ON identity_review (state, two, rank, low, high) WHERE low <> high;
CREATE INDEX identity_review_all ON identity_review (two, rank, low, high) WHERE low <> high;
CREATE INDEX identity_review_oldest ON identity_review (since_us)
    WHERE low <> high AND state <> 'closed';

CREATE TABLE identity_total (
    count  bigint NOT NULL,
    state  text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    PRIMARY KEY (state, reason)
);

-- All who write reviews of pairs hold the lock of all clusters, so these rows are nobody's bottleneck.
CREATE FUNCTION identity_review_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO identity_total AS t (count, state, reason)
        SELECT count(*), n.state, n.reason FROM new_rows n WHERE n.low <> n.high
        GROUP BY n.state, n.reason ORDER BY n.state, n.reason
        ON CONFLICT (state, reason) DO UPDATE SET count = t.count + excluded.count;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE identity_total t SET count = t.count - o.count
        FROM (SELECT count(*), r.state, r.reason FROM old_rows r WHERE r.low <> r.high
              GROUP BY r.state, r.reason) o
        WHERE t.state = o.state AND t.reason = o.reason;
    ELSE
        INSERT INTO identity_total AS t (count, state, reason)
        SELECT sum(c.n), c.state, c.reason FROM (
            SELECT 1 AS n, state, reason FROM new_rows WHERE low <> high UNION ALL
            SELECT -1, state, reason FROM old_rows WHERE low <> high
        ) c GROUP BY c.state, c.reason HAVING sum(c.n) <> 0 ORDER BY c.state, c.reason
        ON CONFLICT (state, reason) DO UPDATE SET count = t.count + excluded.count;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER counted_insert AFTER INSERT ON identity_review
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION identity_review_counted();
CREATE TRIGGER counted_update AFTER UPDATE ON identity_review
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION identity_review_counted();
CREATE TRIGGER counted_delete AFTER DELETE ON identity_review
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION identity_review_counted();
INSERT INTO identity_total (count, state, reason)
SELECT count(*), state, reason FROM identity_review WHERE low <> high GROUP BY state, reason;

-- The counts for whoever works on the queue; for others, of the pairs that their grant shows.
CREATE FUNCTION identity_counts() RETURNS TABLE (state text, reason text, count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    persons text[] := access_persons();
BEGIN
    IF access_everyone() OR 'site:identity' = ANY (persons) THEN
        RETURN QUERY SELECT t.state, t.reason, t.count FROM identity_total t WHERE t.count > 0;
    ELSE
        RETURN QUERY SELECT r.state, r.reason, count(*) FROM identity_review r
            WHERE r.low = ANY (persons) AND r.high = ANY (persons) AND r.low <> r.high
            GROUP BY r.state, r.reason;
    END IF;
END
$$;

-- Pairs about which two people or more spoke, and whether they said the same last. A word that was
-- taken back counts for nothing.
CREATE TABLE identity_spoken (
    agreed boolean NOT NULL,
    low    text COLLATE "C" NOT NULL,
    high   text COLLATE "C" NOT NULL,
    PRIMARY KEY (low, high)
);
CREATE INDEX identity_spoken_agreed ON identity_spoken (agreed);

CREATE FUNCTION link_spoken(lows text[], highs text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM identity_spoken s USING unnest(lows, highs) p (low, high)
    WHERE s.low = p.low AND s.high = p.high;
    INSERT INTO identity_spoken (low, high, agreed)
    SELECT p.low, p.high, count(DISTINCT last.joins) = 1
    FROM (SELECT DISTINCT u.low, u.high FROM unnest(lows, highs) u (low, high)) p
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (w.actor) w.actor, w.kind, w.kind <> 'unlink' AS joins FROM (
            SELECT l.actor, l.kind, l.event_us, l.position, l.ordinal FROM link l
            WHERE l.surviving = p.low AND l.prior = p.high AND l.actor <> '' UNION ALL
            SELECT l.actor, l.kind, l.event_us, l.position, l.ordinal FROM link l
            WHERE l.surviving = p.high AND l.prior = p.low AND l.actor <> ''
        ) w ORDER BY w.actor, w.event_us DESC, w.position DESC, w.ordinal DESC
    ) last
    WHERE last.kind <> 'withdraw'
    GROUP BY p.low, p.high HAVING count(*) > 1;
END
$$;

CREATE FUNCTION link_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    lows  text[];
    highs text[];
BEGIN
    SELECT array_agg(least(c.surviving, c.prior)), array_agg(greatest(c.surviving, c.prior))
    INTO lows, highs FROM changed c WHERE c.actor <> '' AND c.surviving <> c.prior;
    IF lows IS NOT NULL THEN
        PERFORM link_spoken(lows, highs);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER counted_insert AFTER INSERT ON link
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION link_counted();
CREATE TRIGGER counted_delete AFTER DELETE ON link
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION link_counted();

SELECT link_spoken(array_agg(least(surviving, prior)), array_agg(greatest(surviving, prior)))
FROM link WHERE actor <> '' AND surviving <> prior;
