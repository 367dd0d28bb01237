-- What every batch does last in its transaction: make sure that no key was destroyed since the
-- worker looked, so that nothing is written back of whom it was destroyed for, and put itself on
-- record. Returns the epoch; if it is another than the one known, nothing was recorded.
CREATE FUNCTION batch_record(claim text, mac bytea, known_epoch bigint, times_us bigint[],
    bodies bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    current bigint;
BEGIN
    PERFORM public.require_everyone(claim, mac);
    -- Shared: who destroys a key waits for the batches on the way, and those after it see that.
    SELECT s.epoch INTO STRICT current FROM public.subject_key_state s FOR SHARE;
    IF current = known_epoch OR known_epoch < 0 THEN
        PERFORM public.audit_append(claim, mac, times_us, bodies);
    END IF;
    RETURN current;
END
$$;
