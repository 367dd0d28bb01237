-- What no longer has to be kept one by one: totals instead of old minutes, and who reads the outbox.
CREATE TABLE feed_total (
    feed              text COLLATE "C" PRIMARY KEY,
    received_count    bigint NOT NULL DEFAULT 0,
    duplicate_count   bigint NOT NULL DEFAULT 0,
    conflict_count    bigint NOT NULL DEFAULT 0,
    applied_count     bigint NOT NULL DEFAULT 0,
    quarantined_count bigint NOT NULL DEFAULT 0,
    issue_count       bigint NOT NULL DEFAULT 0,
    last_received_us  bigint NOT NULL DEFAULT 0,
    last_event_us     bigint NOT NULL DEFAULT 0
);

-- Ascending, so that appending to it costs next to nothing; old keys are found by it.
CREATE INDEX landed_key_position ON landed_key (position);

CREATE TABLE outbox_consumer (
    name             text COLLATE "C" PRIMARY KEY,
    acknowledged_seq bigint NOT NULL     -- all rows up to here are consumed
);
