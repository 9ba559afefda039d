-- Agencies, their clients and keys, and what the source systems among them offer.
SET lock_timeout = '2s';

CREATE TABLE agencies (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('ministry', 'dinsos_province', 'dinsos_regency', 'village_government',
        'bpjs_kesehatan', 'bpjs_ketenagakerjaan', 'health_facility', 'civil_registry', 'social_institution', 'other')),
    name text NOT NULL,
    parent_id uuid REFERENCES agencies,
    -- Jurisdiction; regions are never deleted, so what was checked on writing stays true.
    region_codes text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'suspended')),
    scopes text[] NOT NULL,
    token_epoch integer NOT NULL DEFAULT 0,
    version integer NOT NULL DEFAULT 1,
    -- Whoever created it may send the create again: same creator and same body give the row.
    created_by uuid,
    create_request bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (parent_id <> id),
    CHECK (CASE kind
        WHEN 'ministry' THEN cardinality(region_codes) = 0
        WHEN 'dinsos_province' THEN cardinality(region_codes) = 1 AND length(region_codes[1]) = 2
        WHEN 'dinsos_regency' THEN cardinality(region_codes) = 1 AND length(region_codes[1]) = 5
        WHEN 'village_government' THEN cardinality(region_codes) = 1 AND length(region_codes[1]) = 13
        ELSE true END)
);
CREATE INDEX agencies_by_parent ON agencies (parent_id);
CREATE INDEX agencies_by_region ON agencies USING gin (region_codes);
-- One government, one agency.
CREATE UNIQUE INDEX agencies_one_per_government ON agencies (kind, (region_codes[1]))
    WHERE kind IN ('dinsos_province', 'dinsos_regency', 'village_government');

CREATE TABLE clients (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL REFERENCES agencies,
    kind text NOT NULL CHECK (kind IN ('officer', 'system', 'phone', 'dashboard')),
    name text NOT NULL,
    purpose text NOT NULL,
    scopes text[] NOT NULL,
    volunteer_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'disabled')),
    token_epoch integer NOT NULL DEFAULT 0,
    expires_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((kind = 'phone') = (volunteer_id IS NOT NULL))
);
COMMENT ON COLUMN clients.purpose IS 'Recorded with every plain read of personal data.';
CREATE INDEX clients_by_agency ON clients (agency_id, id);

CREATE TABLE client_keys (
    id uuid PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients,
    kid text NOT NULL,
    jwk jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE UNIQUE INDEX client_keys_by_kid ON client_keys (client_id, kid) WHERE removed_at IS NULL;
CREATE INDEX client_keys_by_client ON client_keys (client_id);

CREATE TABLE client_secrets (
    id uuid PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients,
    -- SHA-256 of 256 random bits: nothing to guess, so no slow hash.
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

-- `jti` of assertions, each used once (RFC 7523, section 3).
CREATE TABLE client_assertions (
    client_id uuid NOT NULL REFERENCES clients,
    jti_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX client_assertions_by_age ON client_assertions (expires_at);

-- An agency that receives referrals.
CREATE TABLE source_systems (
    agency_id uuid PRIMARY KEY REFERENCES agencies,
    may_forward boolean NOT NULL,
    -- Regions served; none = the whole country.
    region_codes text[] NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE source_system_services (
    agency_id uuid NOT NULL REFERENCES source_systems,
    service text NOT NULL,
    list text GENERATED ALWAYS AS ('services') STORED,
    PRIMARY KEY (agency_id, service),
    FOREIGN KEY (list, service) REFERENCES codes (list, code)
);
CREATE INDEX source_system_services_by_service ON source_system_services (list, service);

GRANT SELECT, INSERT, UPDATE ON agencies, clients, client_keys, source_systems TO simpul_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON client_secrets, client_assertions, source_system_services TO simpul_service;
