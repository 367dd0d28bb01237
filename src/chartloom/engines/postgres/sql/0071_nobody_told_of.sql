-- What is pending says of whom nothing is written yet: of them nothing has to be read before it is. It is
-- not asked of more than eight messages, among many of which one reading more costs nothing; nor when
-- a worker begins. Who is told of meanwhile is noticed by the commit, whose rows are there already then.
-- In place of the function of 0013.
DROP FUNCTION pending_messages(text, bytea, smallint[], bigint, integer, bigint, integer);
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
    body bytea, told boolean       -- whether there may be something of the patient; false if not
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all_of(claim, mac);
    IF EXISTS (SELECT FROM retry r JOIN landing l ON l.position = r.position
               WHERE r.lane = ANY (wanted)) THEN
        RETURN QUERY
        SELECT NULL::bigint, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body, true
        FROM (SELECT l.* FROM retry r CROSS JOIN LATERAL (
                  SELECT * FROM landing l WHERE l.position = r.position) l
              WHERE r.lane = ANY (wanted) ORDER BY r.position LIMIT again_most) m
        CROSS JOIN log_head h ORDER BY m.position;
    ELSIF after IS NOT NULL THEN
        RETURN QUERY
        SELECT h.position, h.generation, m.position, m.feed, m.received_at_us, m.lane,
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body,
               m.number > 8 OR coalesce(  -- and not EXISTS: that may be planned as a table of all
                   (SELECT true FROM person p WHERE p.source_patient = m.source_patient), false)
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
               m.control_id, m.message_type, m.source_patient, m.conflict, m.body, true
        FROM log_head h LEFT JOIN (
            SELECT l.* FROM chosen p CROSS JOIN LATERAL (
                SELECT * FROM landing l WHERE l.position = p.position) l
        ) m ON true
        ORDER BY m.position;
    END IF;
END
$$;
