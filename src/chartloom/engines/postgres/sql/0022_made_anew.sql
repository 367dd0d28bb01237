-- Whether messages that were applied before are still to be applied again, as after a rebuild or an
-- upgrade: until then charts are not whole. Says nothing about anybody.
CREATE FUNCTION made_anew() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF public.access_granted() IS NOT TRUE THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT FROM lane n CROSS JOIN log_head h
        WHERE h.replay_until > n.cursor AND EXISTS (
            SELECT FROM landing l
            WHERE l.lane = n.lane AND l.position > n.cursor AND l.position <= h.replay_until));
END
$$;
