-- The numbers that reporting systems have of their cases: one case each, however often it is sent.
SET lock_timeout = '2s';

CREATE TABLE case_references (
    agency_id uuid NOT NULL REFERENCES agencies,
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 100),
    case_id uuid NOT NULL UNIQUE REFERENCES cases,
    -- Digest of what was sent last: the same again changes nothing.
    request bytea NOT NULL,
    PRIMARY KEY (agency_id, reference)
);
GRANT SELECT, INSERT, UPDATE ON case_references TO simpul_service;
