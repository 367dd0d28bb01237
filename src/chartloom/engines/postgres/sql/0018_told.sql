-- In place of the function of 0014: the row is found by its index. currval() may be another value for
-- each row, for all the planner knows, so that the whole outbox was read.
CREATE OR REPLACE FUNCTION batch_told(patients text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mine bigint;
BEGIN
    PERFORM require_all();
    mine := currval(pg_get_serial_sequence('public.outbox', 'seq'));
    UPDATE outbox o SET source_patients = ARRAY(
        SELECT DISTINCT p FROM unnest(o.source_patients || patients) p WHERE p <> '' ORDER BY p)
    WHERE o.seq = mine;
END
$$;
