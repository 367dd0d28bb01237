-- Who is signed in, whose glass is broken, which data may be used for what.
--
-- source_patient: the pseudo-subject that a grant must name to see any row (domain/access.py); so
-- these tables are behind the same policies as everything else.

CREATE TABLE session (                    -- key: SHA-256 of what the browser holds
    seen_us        bigint NOT NULL,
    until_us       bigint NOT NULL,
    key            bytea PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,
    who            bytea NOT NULL,        -- blind: whose session
    body           bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX session_who ON session (who);

CREATE TABLE glass (                      -- emergency access; body: what was written, sealed
    started_us     bigint NOT NULL,
    until_us       bigint NOT NULL,
    reviewed_us    bigint NOT NULL DEFAULT 0,
    id             text COLLATE "C" PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,
    actor          text COLLATE "C" NOT NULL,
    patients       text[] NOT NULL,
    reason         text COLLATE "C" NOT NULL,
    reviewed_by    text COLLATE "C" NOT NULL DEFAULT '',
    outcome        text COLLATE "C" NOT NULL DEFAULT '',
    body           bytea NOT NULL
);
CREATE INDEX glass_actor ON glass (actor, until_us);
CREATE INDEX glass_started ON glass (started_us);

CREATE TABLE data_use (
    requested_us   bigint NOT NULL,
    id             text COLLATE "C" PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,
    state          text COLLATE "C" NOT NULL,
    body           bytea NOT NULL
);
