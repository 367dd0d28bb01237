-- Who carries a key is read from the index alone where the table is known to be visible to all, which
-- vacuuming says; else from a page of the table for each carrier. By the defaults of the server that would
-- be done of this table, which has twenty rows a record, when a fifth of it is new or gone: after records
-- got new keys nine tenths of it were left so.
ALTER TABLE match_key SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.02
);
ALTER TABLE match_record SET (autovacuum_vacuum_scale_factor = 0.05);
