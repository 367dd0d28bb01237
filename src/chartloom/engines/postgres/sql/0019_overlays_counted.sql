-- Messages that are not in quarantine any more are taken out of its counts. Shard 0 belongs to nobody's
-- session: corrections are added up there.
CREATE FUNCTION batch_uncounted(feeds text[], minutes integer[], quarantined integer[],
    issues integer[], no_latencies bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_all();
    INSERT INTO feed_minute_out AS f
        (feed, minute, shard, applied_count, quarantined_count, issue_count, last_event_us, latency)
    SELECT unnest(feeds), unnest(minutes), 0, 0, unnest(quarantined), unnest(issues), 0,
           no_latencies
    ON CONFLICT (feed, minute, shard) DO UPDATE SET
        quarantined_count = f.quarantined_count + excluded.quarantined_count,
        issue_count = f.issue_count + excluded.issue_count;
END
$$;
