-- While everything is derived anew, what access was decided from before goes on holding: Consents,
-- labels and who is one person come back in the order of the log, later than what they protect.
-- Filled by the transaction that empties what is derived; read until the rebuild has passed the
-- position at which it began, then emptied.

CREATE TABLE held (                        -- one row while a rebuild runs, and until it is tidied
    until bigint NOT NULL                  -- the position at which it began
);

CREATE TABLE held_person (                 -- who was one person
    source_patient text COLLATE "C" PRIMARY KEY,
    person_id      text COLLATE "C" NOT NULL
);
CREATE INDEX held_person_id ON held_person (person_id);

CREATE TABLE held_label (                  -- labels of persons
    labels         integer NOT NULL,
    source_patient text COLLATE "C" PRIMARY KEY
);

CREATE TABLE held_resource (               -- labels of resources that had any
    labels         integer NOT NULL,
    id             text COLLATE "C" PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL
);
CREATE INDEX held_resource_patient ON held_resource (source_patient);

CREATE TABLE held_consent (                -- Consents, as a state is read
    version        bigint NOT NULL,
    revision       integer NOT NULL,
    labels         integer NOT NULL,
    directory      boolean NOT NULL,
    opens          boolean NOT NULL,       -- whether what it permits counts, not only what it denies
    id             text COLLATE "C" NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    body           bytea NOT NULL,
    said           bytea,                  -- the message's bundle, if the body is empty
    PRIMARY KEY (id, version)
);
CREATE INDEX held_consent_patient ON held_consent (source_patient);

CREATE TABLE held_care (
    start_us       bigint NOT NULL,
    end_us         bigint NOT NULL,
    resource_id    text COLLATE "C" NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    who            text COLLATE "C" NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    PRIMARY KEY (resource_id, who, kind, start_us, end_us)
);
CREATE INDEX held_care_patient ON held_care (source_patient, who);
CREATE INDEX held_care_who ON held_care (who, start_us DESC);

CREATE TABLE held_number (                 -- numbers by which employees are known
    blind          bytea NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    PRIMARY KEY (blind, source_patient)
);

-- Whether what held before still holds: a rebuild has not passed the position at which it began.
-- Where nothing is held this costs next to nothing. Says nothing about anybody.
CREATE FUNCTION holding() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM held) THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT FROM lane n CROSS JOIN log_head h
        WHERE h.replay_until > n.cursor AND EXISTS (
            SELECT FROM landing l
            WHERE l.lane = n.lane AND l.position > n.cursor AND l.position <= h.replay_until));
END
$$;

-- The position at which the rebuild began whose facts are held: what was said after it counts by
-- itself.
CREATE FUNCTION held_until() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT max(until) FROM held);
END
$$;

-- Called by whoever empties what is derived, in that transaction and before it. A rebuild that
-- begins while another runs finds states that are half made: of these only what denies is added,
-- and what was said since the first began.
CREATE FUNCTION hold_facts() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    since bigint := -1;
BEGIN
    LOCK TABLE held IN SHARE ROW EXCLUSIVE MODE;  -- readers go on: a statement sees all or nothing
    IF holding() THEN
        since := held_until();
    ELSE
        PERFORM release_facts();
    END IF;

    INSERT INTO held_person (source_patient, person_id) SELECT source_patient, person_id FROM person
    ON CONFLICT DO NOTHING;
    INSERT INTO held_label (source_patient, labels)
    SELECT source_patient, labels FROM person_label WHERE labels <> 0
    ON CONFLICT (source_patient) DO UPDATE SET labels = held_label.labels | excluded.labels;
    INSERT INTO held_resource (id, source_patient, labels)
    SELECT id, source_patient, labels FROM resource WHERE labels <> 0
    ON CONFLICT (id) DO UPDATE SET labels = held_resource.labels | excluded.labels;
    INSERT INTO held_number (blind, source_patient) SELECT blind, source_patient FROM record_number
    ON CONFLICT DO NOTHING;

    UPDATE held_consent h SET opens = false FROM resource r WHERE r.id = h.id AND r.version > since;
    INSERT INTO held_consent
        (id, source_patient, directory, revision, body, labels, version, said, opens)
    SELECT r.id, r.source_patient, r.directory, r.revision, r.body, r.labels, r.version,
           CASE WHEN r.body = '' THEN (
               SELECT b.body FROM bundle b WHERE b.position = r.version AND b.ordinal = 0) END,
           r.version > since
    FROM resource r WHERE r.type = 'Consent' AND r.section = 0
    ON CONFLICT DO NOTHING;

    DELETE FROM held_care h USING resource r WHERE r.id = h.resource_id AND r.version > since;
    INSERT INTO held_care (start_us, end_us, resource_id, source_patient, who, kind)
    SELECT c.start_us, c.end_us, c.resource_id, c.source_patient, c.who, c.kind
    FROM care c JOIN resource r ON r.id = c.resource_id WHERE r.version > since
    ON CONFLICT DO NOTHING;

    DELETE FROM held;
    INSERT INTO held (until) SELECT position FROM log_head;
END
$$;

-- Nothing is held any more, if no rebuild runs; whether anything was.
CREATE FUNCTION release_facts() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM held) THEN
        RETURN false;
    END IF;
    LOCK TABLE held IN SHARE ROW EXCLUSIVE MODE;
    IF holding() THEN
        RETURN false;
    END IF;
    -- Not TRUNCATE: who reads these meanwhile sees them still.
    DELETE FROM held_person;
    DELETE FROM held_label;
    DELETE FROM held_resource;
    DELETE FROM held_consent;
    DELETE FROM held_care;
    DELETE FROM held_number;
    DELETE FROM held;
    RETURN true;
END
$$;
