-- In place of the function of 0015: those who try messages again may be kept from some labels, so that
-- a grant for all of them cannot be asked for. Only stops of messages that are not known as applied
-- any more are forgotten: those were visible to whoever put them back, and gone just before.
CREATE OR REPLACE FUNCTION overlays_forget(positions bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    whose text[];
BEGIN
    IF public.access_everyone() IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no valid grant'
            USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    WITH gone AS (
        DELETE FROM overlay_stop s WHERE s.position = ANY (positions)
            AND NOT EXISTS (SELECT FROM outcome o WHERE o.position = s.position)
        RETURNING s.source_patient
    ) SELECT array_agg(DISTINCT g.source_patient) INTO whose FROM gone g;
    UPDATE identity_review r SET state = 'closed'
    WHERE r.low = ANY (whose) AND r.high = r.low AND NOT EXISTS (
        SELECT FROM overlay_stop s WHERE s.source_patient = r.low);
END
$$;
