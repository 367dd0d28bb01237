-- What people said of sensitivity labels comes to: one row per resource of whose labels somebody said
-- something. The words themselves stand in the sealed state, and in the log. The resource of a person
-- (a Patient has its source patient's id) also tells of the labels of the person.
CREATE TABLE label_word (
    added          integer NOT NULL,          -- set by a person
    lifted         integer NOT NULL,          -- by two
    asked          integer NOT NULL,          -- wanted lifted by one; takes a second
    resource_id    text COLLATE "C" PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,
    type           text COLLATE "C" NOT NULL
);
CREATE INDEX label_word_patient ON label_word (source_patient);
CREATE INDEX label_word_asked ON label_word (resource_id) WHERE asked <> 0;

-- Written with the states of a batch, as they are after it.
CREATE FUNCTION batch_labels(ids text[], patients text[], types text[], addeds integer[],
    lifteds integer[], askeds integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_all();
    INSERT INTO label_word (resource_id, source_patient, type, added, lifted, asked)
    SELECT u.id, u.patient, u.type, u.added, u.lifted, u.asked
    FROM unnest(ids, patients, types, addeds, lifteds, askeds)
        u (id, patient, type, added, lifted, asked)
    ON CONFLICT (resource_id) DO UPDATE SET
        source_patient = excluded.source_patient, type = excluded.type, added = excluded.added,
        lifted = excluded.lifted, asked = excluded.asked;
END
$$;

-- In place of the function of 0030: labels of persons (VIP, EMP: 96) are held as people left them.
CREATE OR REPLACE FUNCTION hold_facts() RETURNS void
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
    SELECT s.source_patient, s.labels FROM (
        SELECT source_patient,
               coalesce(l.labels, 0) & ~coalesce(w.lifted, 0) | coalesce(w.added, 0) & 96 AS labels
        FROM person_label l FULL JOIN (
            SELECT resource_id AS source_patient, lifted, added FROM label_word
            WHERE type = 'Patient') w USING (source_patient)
    ) s WHERE s.labels <> 0
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
