-- The spine: the landing log, the lanes over it, and everything derived from it.
-- Sealed columns are called "body"; all else is pseudonymous ids, types, codes, counts and times.

CREATE TABLE site (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    namespace    uuid NOT NULL,
    key_check    bytea NOT NULL,          -- tells whether the keys at hand are this store's
    lanes        smallint NOT NULL,
    first_day    integer NOT NULL         -- days since 1970; positions count days from here
);

-- Locked by whoever appends: so the order of positions is the order of commits.
CREATE TABLE log_head (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    position     bigint NOT NULL DEFAULT 0,
    generation   integer NOT NULL DEFAULT 0,   -- counts rebuilds
    replay_until bigint NOT NULL DEFAULT 0     -- up to here the log has been applied before
) WITH (fillfactor = 10);
INSERT INTO log_head DEFAULT VALUES;

CREATE TABLE landing (
    position       bigint NOT NULL,
    received_at_us bigint NOT NULL,
    size_bytes     integer NOT NULL,
    lane           smallint NOT NULL,
    conflict       boolean NOT NULL,
    feed           text COLLATE "C" NOT NULL,
    control_id     text COLLATE "C" NOT NULL,
    message_type   text COLLATE "C" NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    body           bytea NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
ALTER TABLE landing ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX landing_lane ON landing (lane, position);
CREATE TABLE landing_beyond PARTITION OF landing DEFAULT WITH (toast_tuple_target = 8160);

-- What was landed already: keyed fingerprints of (feed, control id) and of those with the bytes.
CREATE TABLE landed_key (
    key      bigint NOT NULL,
    position bigint NOT NULL,
    digest   bytea NOT NULL
);
CREATE INDEX landed_key_key ON landed_key (key);

CREATE TABLE lane (
    lane   smallint PRIMARY KEY,
    cursor bigint NOT NULL DEFAULT 0,
    owner  text NOT NULL DEFAULT ''       -- for people; the lease itself is an advisory lock
) WITH (fillfactor = 30);

CREATE TABLE retry (
    position bigint PRIMARY KEY,
    lane     smallint NOT NULL
);

CREATE TABLE project_version (
    version     smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text COLLATE "C" NOT NULL UNIQUE,
    files       bytea
);

-- What became of each consumed message.
CREATE TABLE outcome (
    position        bigint PRIMARY KEY,
    received_at_us  bigint NOT NULL,
    applied_at_us   bigint NOT NULL,
    event_us        bigint NOT NULL,
    size_bytes      integer NOT NULL,
    issue_count     integer NOT NULL,
    mapped_count    integer NOT NULL,
    ignored_count   integer NOT NULL,
    unmapped_count  integer NOT NULL,
    project_version smallint NOT NULL,
    feed            text COLLATE "C" NOT NULL,
    message_type    text COLLATE "C" NOT NULL,
    control_id      text COLLATE "C" NOT NULL,
    source_patient  text COLLATE "C" NOT NULL,
    quarantine      text COLLATE "C" NOT NULL
);
CREATE INDEX outcome_feed ON outcome (feed, position);
CREATE INDEX outcome_quarantine ON outcome (position) WHERE quarantine <> '';

-- What one message said about one source patient. touched: 32-bit hashes of the resource ids.
CREATE TABLE bundle (
    position       bigint NOT NULL,
    ordinal        smallint NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    touched        bytea NOT NULL,
    body           bytea NOT NULL,
    PRIMARY KEY (position, ordinal)
) WITH (toast_tuple_target = 8160);
ALTER TABLE bundle ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE bundle ALTER COLUMN touched SET STORAGE EXTERNAL;
CREATE INDEX bundle_source_patient ON bundle (source_patient, position);

-- Current states. revision: counts writes, so that a writer notices that it read something older.
CREATE TABLE resource (
    sort_us        bigint NOT NULL,
    version        bigint NOT NULL,       -- highest contributing position (meta.versionId)
    event_us       bigint NOT NULL,       -- directory only, with rank: who wins
    revision       integer NOT NULL,
    rank           integer NOT NULL,
    part           integer NOT NULL,
    section        smallint NOT NULL,
    hidden         boolean NOT NULL,
    directory      boolean NOT NULL,
    id             text COLLATE "C" NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    type           text COLLATE "C" NOT NULL,
    series         text COLLATE "C" NOT NULL,
    body           bytea NOT NULL,
    PRIMARY KEY (id)
) WITH (toast_tuple_target = 8160, fillfactor = 85);
ALTER TABLE resource ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX resource_timeline ON resource (source_patient, section, sort_us) WHERE section <> 0;
CREATE INDEX resource_series ON resource (source_patient, series, sort_us) WHERE series <> '';

CREATE TABLE view (
    revision       integer NOT NULL,
    total          integer NOT NULL,
    part           integer NOT NULL,
    section        smallint NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    body           bytea NOT NULL,
    PRIMARY KEY (source_patient, section, part)
) WITH (toast_tuple_target = 8160, fillfactor = 70);
ALTER TABLE view ALTER COLUMN body SET STORAGE EXTERNAL;

-- Who is one person. A person is named after the smallest source patient id of its cluster.
CREATE TABLE person (
    source_patient text COLLATE "C" PRIMARY KEY,
    person_id      text COLLATE "C" NOT NULL
);
CREATE INDEX person_members ON person (person_id);

CREATE TABLE record_number (              -- blind: record number under its assigning authority
    blind          bytea NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    PRIMARY KEY (blind, source_patient)
);
CREATE INDEX record_number_patient ON record_number (source_patient);

CREATE TABLE link (
    position  bigint NOT NULL,
    event_us  bigint NOT NULL,
    ordinal   smallint NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    surviving text COLLATE "C" NOT NULL,
    prior     text COLLATE "C" NOT NULL,
    rule      text COLLATE "C" NOT NULL,
    PRIMARY KEY (position, ordinal)
);
CREATE INDEX link_surviving ON link (surviving);
CREATE INDEX link_prior ON link (prior);

CREATE TABLE identifier (
    blind          bytea NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    PRIMARY KEY (blind, source_patient)
);

-- Statistics. shard: one per writer session, so that workers never wait for each other here.
CREATE SEQUENCE shard;
CREATE TABLE feed_minute_in (
    minute           integer NOT NULL,
    received_count   integer NOT NULL,    -- landed, conflicts included
    duplicate_count  integer NOT NULL,
    conflict_count   integer NOT NULL,
    last_received_us bigint NOT NULL,
    feed             text COLLATE "C" NOT NULL,
    PRIMARY KEY (feed, minute)
) WITH (fillfactor = 50);
CREATE TABLE feed_minute_out (
    minute            integer NOT NULL,
    shard             bigint NOT NULL,
    applied_count     integer NOT NULL,
    quarantined_count integer NOT NULL,
    issue_count       integer NOT NULL,
    last_event_us     bigint NOT NULL,
    feed              text COLLATE "C" NOT NULL,
    latency           bytea NOT NULL,     -- histogram, see stats.py
    PRIMARY KEY (feed, minute, shard)
) WITH (fillfactor = 50);
CREATE TABLE issue_day (
    day   integer NOT NULL,
    shard bigint NOT NULL,
    count integer NOT NULL,
    feed  text COLLATE "C" NOT NULL,
    code  text COLLATE "C" NOT NULL,
    PRIMARY KEY (feed, day, code, shard)
) WITH (fillfactor = 50);

-- One row per commit. Readers stay below pg_snapshot_xmin(), for seq is not the order of commits.
-- Positions up to replay_until were replayed: nothing may react to them again.
CREATE TABLE outbox (
    seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
    applied_at_us   bigint NOT NULL,
    replay_until    bigint NOT NULL,
    live            boolean NOT NULL,
    project_version smallint NOT NULL,
    worker          text NOT NULL,
    positions       bigint[] NOT NULL,
    source_patients text[] NOT NULL
);
ALTER TABLE outbox ALTER COLUMN positions SET STORAGE EXTERNAL;
ALTER TABLE outbox ALTER COLUMN source_patients SET STORAGE EXTERNAL;
