-- Who may call right now: one row a client, written by the registry of agencies in its own transactions, read on every
-- request (at most half a second old, so that a suspended agency is refused within a second).
SET lock_timeout = '2s';

CREATE TABLE access_state (
    client_id uuid PRIMARY KEY,
    client_kind text NOT NULL CHECK (client_kind IN ('officer', 'system', 'phone', 'dashboard')),
    agency_id uuid NOT NULL,
    agency_kind text NOT NULL CHECK (agency_kind IN ('ministry', 'dinsos_province', 'dinsos_regency', 'village_government',
        'bpjs_kesehatan', 'bpjs_ketenagakerjaan', 'health_facility', 'civil_registry', 'social_institution', 'other')),
    active boolean NOT NULL,
    token_epoch integer NOT NULL,
    scopes text[] NOT NULL,
    purpose text NOT NULL,
    volunteer_id uuid,
    region_codes text[] NOT NULL,
    child_agency_ids uuid[] NOT NULL,
    expires_at timestamptz,
    CHECK ((client_kind = 'phone') = (volunteer_id IS NOT NULL))
);
COMMENT ON COLUMN access_state.active IS 'Agency and client both are.';
COMMENT ON COLUMN access_state.token_epoch IS 'Sum of the agency''s and the client''s; a token of another epoch is refused.';
COMMENT ON COLUMN access_state.scopes IS 'What both the agency and the client hold.';
COMMENT ON COLUMN access_state.purpose IS 'Recorded with every plain read of personal data.';
CREATE INDEX access_state_by_agency ON access_state (agency_id);

GRANT SELECT, INSERT, UPDATE ON access_state TO simpul_service;
