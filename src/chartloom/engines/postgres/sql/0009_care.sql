-- Who cares for whom, and what is known of a person as a whole: what access is decided from.
-- Both follow from what is derived, in the transaction that changes it.

CREATE TABLE care (                       -- a resource's relations are replaced together
    start_us       bigint NOT NULL,       -- 0: unknown
    end_us         bigint NOT NULL,       -- 0: open
    resource_id    text COLLATE "C" NOT NULL,
    source_patient text COLLATE "C" NOT NULL,
    who            text COLLATE "C" NOT NULL,  -- a Practitioner, Location or Organization
    kind           text COLLATE "C" NOT NULL,
    PRIMARY KEY (resource_id, who, kind, start_us, end_us)
);
CREATE INDEX care_patient ON care (source_patient, who);
CREATE INDEX care_who ON care (who, start_us DESC) INCLUDE (source_patient, kind, end_us);

CREATE TABLE person_label (               -- VIP, EMP: once said, they stay (domain/labels.py)
    labels         integer NOT NULL,
    source_patient text COLLATE "C" PRIMARY KEY
);
