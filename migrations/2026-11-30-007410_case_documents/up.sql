-- Documents of a case: that somebody agreed, letters, statements. As those of volunteers: the content is encrypted and elsewhere, under
-- the id of its row.
SET lock_timeout = '2s';

CREATE TABLE case_documents (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    -- The referral that shows it to who was asked.
    referral_id uuid REFERENCES referrals,
    kind text NOT NULL CHECK (kind IN ('consent_evidence', 'facility_letter', 'statement', 'id_document', 'photo', 'other')),
    content_type text NOT NULL CHECK (content_type IN ('application/pdf', 'image/jpeg', 'image/png')),
    size integer NOT NULL CHECK (size BETWEEN 1 AND 10485760),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    state text NOT NULL CHECK (state IN ('uploading', 'stored', 'removed')),
    state_since timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL REFERENCES agencies,
    volunteer_id uuid,
    CHECK (kind <> 'photo' OR content_type <> 'application/pdf'),
    CHECK (kind <> 'consent_evidence' OR referral_id IS NULL)
);
COMMENT ON TABLE case_documents IS 'A row is committed before its content is written and goes after its content is removed: no content is ever without a row.';
COMMENT ON COLUMN case_documents.state IS 'uploading: its content may be there or not. removed: shown to nobody, its content is about to go.';
CREATE INDEX case_documents_of_case ON case_documents (case_id, created_at, id);
CREATE INDEX case_documents_by_referral ON case_documents (referral_id) WHERE referral_id IS NOT NULL;
CREATE INDEX case_documents_by_agency ON case_documents (created_by);
-- What the job looks for: few at any time.
CREATE INDEX case_documents_left_over ON case_documents (state_since) WHERE state <> 'stored';
GRANT SELECT, INSERT, UPDATE, DELETE ON case_documents TO simpul_service;

-- Kept with each of these documents, and no change of the case: its version stays.
ALTER TABLE cases ADD COLUMN consent_evidence_ids uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN cases.consent_evidence_ids IS 'Documents that show that somebody agreed, oldest first.';
