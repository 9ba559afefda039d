-- Documents of a volunteer: the appointment letter, a photo, a certificate. Their content is encrypted and elsewhere (a
-- directory or a bucket), each under the id of its row.
SET lock_timeout = '2s';

CREATE TABLE volunteer_documents (
    id uuid PRIMARY KEY,
    volunteer_id uuid NOT NULL REFERENCES volunteers (id),
    kind text NOT NULL CHECK (kind IN ('appointment_letter', 'certificate', 'photo')),
    content_type text NOT NULL CHECK (content_type IN ('application/pdf', 'image/jpeg', 'image/png')),
    size integer NOT NULL CHECK (size BETWEEN 1 AND 10485760),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    state text NOT NULL CHECK (state IN ('uploading', 'stored', 'removed')),
    state_since timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL REFERENCES agencies (id),
    CHECK (kind <> 'photo' OR content_type <> 'application/pdf')
);
COMMENT ON TABLE volunteer_documents IS 'A row is committed before its content is written and goes after its content is removed: no content is ever without a row.';
COMMENT ON COLUMN volunteer_documents.state IS 'uploading: its content may be there or not. removed: shown to nobody, its content is about to go.';
COMMENT ON COLUMN volunteer_documents.sha256 IS 'Of the content as it was sent.';
CREATE INDEX volunteer_documents_by_volunteer ON volunteer_documents (volunteer_id, id);
CREATE INDEX volunteer_documents_by_agency ON volunteer_documents (created_by);
-- What the job looks for: few at any time.
CREATE INDEX volunteer_documents_left_over ON volunteer_documents (state_since) WHERE state <> 'stored';
GRANT SELECT, INSERT, UPDATE, DELETE ON volunteer_documents TO simpul_service;
