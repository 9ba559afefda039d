-- What belongs to no domain: which installation this is, answers kept for safe retries, and helpers for group inserts.
SET lock_timeout = '2s';

-- One row. `generation` changes when a database is restored from a backup: cursors of the feed carry it.
CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation uuid NOT NULL DEFAULT gen_random_uuid(),
    -- `simpul demo` made it: its credentials are known, so `simpul serve` refuses it.
    demo boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE installation IS 'Which installation this is; exactly one row.';
INSERT INTO installation DEFAULT VALUES;

-- The answer to a POST, kept with its effect. Encrypted: it may show a person.
CREATE TABLE idempotency_keys (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    answer bytea NOT NULL,
    subjects uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (agency_id, client_id, key)
);
COMMENT ON COLUMN idempotency_keys.request IS 'Keyed digest of method, path with query, and body.';
COMMENT ON COLUMN idempotency_keys.subjects IS 'Rows that a replay must still be allowed to see.';
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- A group insert passes one array per column; a column that is itself an array travels as text.
CREATE FUNCTION uuids(list text) RETURNS uuid[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    RETURN list::uuid[];
CREATE FUNCTION words(list text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    RETURN string_to_array(list, ',');

GRANT SELECT ON installation, __diesel_schema_migrations TO simpul_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO simpul_service;
