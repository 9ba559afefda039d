-- How a volunteer's phone becomes a client: by a one-time code that its regency's office makes.
SET lock_timeout = '2s';

CREATE TABLE phone_codes (
    id uuid PRIMARY KEY,
    volunteer_id uuid NOT NULL REFERENCES volunteers (id),
    agency_id uuid NOT NULL REFERENCES agencies (id),
    code_index bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL REFERENCES clients (id),
    acting_user text,
    expires_at timestamptz NOT NULL,
    client_id uuid REFERENCES clients (id)
);
COMMENT ON TABLE phone_codes IS 'Codes of the last hour; older ones are removed.';
COMMENT ON COLUMN phone_codes.code_index IS 'HMAC of the code, which is shown once and stored nowhere.';
COMMENT ON COLUMN phone_codes.client_id IS 'The phone that used it up.';
CREATE INDEX phone_codes_by_volunteer ON phone_codes (volunteer_id, created_at);
CREATE INDEX phone_codes_by_agency ON phone_codes (agency_id);
CREATE INDEX phone_codes_by_creator ON phone_codes (created_by);
CREATE INDEX phone_codes_by_client ON phone_codes (client_id);
CREATE INDEX phone_codes_by_end ON phone_codes (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON phone_codes TO simpul_service;

-- A volunteer has one phone.
CREATE UNIQUE INDEX clients_one_phone ON clients (volunteer_id) WHERE state = 'active' AND kind = 'phone';
