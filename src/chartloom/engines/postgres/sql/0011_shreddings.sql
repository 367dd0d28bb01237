-- Destructions of a person's keys: asked for by one person, approved by another, then carried out.
CREATE TABLE shredding (
    requested_us   bigint NOT NULL,
    id             text COLLATE "C" PRIMARY KEY,
    source_patient text COLLATE "C" NOT NULL,  -- the pseudo-subject that a grant must name
    state          text COLLATE "C" NOT NULL,
    body           bytea NOT NULL              -- whose, why, by whom; sealed
);
