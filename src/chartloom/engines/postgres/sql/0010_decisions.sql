-- What every decision about a person asks for is found by index: without these, it reads all that
-- the store holds. All are partial, so that what they do not name costs nothing but the look.
CREATE INDEX resource_consent ON resource (source_patient)
    WHERE section = 0 AND type = 'Consent';
CREATE INDEX resource_labelled ON resource (source_patient) INCLUDE (labels) WHERE labels <> 0;
CREATE INDEX resource_directory ON resource (type) WHERE directory;
