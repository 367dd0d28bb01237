-- What is remembered of workers that died, so that one message cannot kill them for ever.
ALTER TABLE lane
    ADD COLUMN deaths smallint NOT NULL DEFAULT 0,  -- of its workers since it last got anywhere
    ADD COLUMN trying bigint NOT NULL DEFAULT 0,    -- the message that is being tried alone
    ADD COLUMN tries  smallint NOT NULL DEFAULT 0;  -- deaths while that one was tried
