-- Files of volunteers on their way in: read and stored sealed, looked through row by row, then applied.
SET lock_timeout = '2s';

CREATE TABLE imports (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL REFERENCES agencies,
    client_id uuid NOT NULL,
    acting_user text,
    -- Of the request whose work is being done.
    request_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('uploaded', 'validating', 'validated', 'applying', 'applied', 'failed', 'discarded')),
    failure text CHECK (failure IN ('client_not_allowed', 'internal')),
    format text NOT NULL CHECK (format IN ('csv', 'xlsx', 'ndjson')),
    size integer NOT NULL,
    digest bytea NOT NULL,
    header_row integer NOT NULL,
    layout jsonb NOT NULL,
    other_sheets integer NOT NULL,
    row_count integer NOT NULL,
    selected integer[],
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    validated_at timestamptz,
    ended_at timestamptz,
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((state IN ('applied', 'failed', 'discarded')) = (ended_at IS NOT NULL))
);
COMMENT ON COLUMN imports.digest IS 'Keyed digest of agency and bytes: the same file is known again, and nothing can be read from it.';
COMMENT ON COLUMN imports.layout IS 'Every column with what it means; names only of those that are understood.';
COMMENT ON COLUMN imports.selected IS 'Numbers of the rows that are being applied; null: all that are ready.';
-- The same file goes in once, unless that came to nothing.
CREATE UNIQUE INDEX imports_once ON imports (agency_id, digest) WHERE state NOT IN ('failed', 'discarded');
CREATE INDEX imports_by_agency ON imports (agency_id, id);

-- Some rows: what one transaction looks through or applies. Whoever holds the row does it; who dies lets go of it.
CREATE TABLE import_chunks (
    import_id uuid NOT NULL REFERENCES imports,
    position integer NOT NULL,
    todo text CHECK (todo IN ('validate', 'apply')),
    -- The rows, packed and sealed; removed when they are of no more use.
    sealed bytea,
    row_count integer NOT NULL,
    ready integer NOT NULL DEFAULT 0,
    faulty integer NOT NULL DEFAULT 0,
    duplicate integer NOT NULL DEFAULT 0,
    applied integer NOT NULL DEFAULT 0,
    PRIMARY KEY (import_id, position),
    CHECK (todo IS NULL OR sealed IS NOT NULL)
);
-- Packed already.
ALTER TABLE import_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX import_chunks_to_do ON import_chunks (position, import_id) WHERE todo IS NOT NULL;

-- What became of each row: never what is in it.
CREATE TABLE import_rows (
    import_id uuid NOT NULL REFERENCES imports,
    number integer NOT NULL,
    position integer NOT NULL,
    state text NOT NULL CHECK (state IN ('ready', 'faulty', 'duplicate', 'applied')),
    errors jsonb NOT NULL,
    warnings jsonb NOT NULL,
    volunteer_id uuid,
    candidates uuid[] NOT NULL,
    -- Why it is not the one that it is like: a code of duplicate-reasons.
    override_reason text,
    override_list text GENERATED ALWAYS AS ('duplicate-reasons') STORED,
    PRIMARY KEY (import_id, number),
    FOREIGN KEY (import_id, position) REFERENCES import_chunks,
    FOREIGN KEY (override_list, override_reason) REFERENCES codes (list, code),
    CHECK ((state = 'applied') = (volunteer_id IS NOT NULL))
);
COMMENT ON COLUMN import_rows.number IS 'As Excel numbers it; of NDJSON the line.';
COMMENT ON COLUMN import_rows.volunteer_id IS 'Who was registered by it.';
COMMENT ON COLUMN import_rows.candidates IS 'Volunteers in sight whom it is, or may be.';
CREATE INDEX import_rows_by_position ON import_rows (import_id, position);
CREATE INDEX import_rows_by_override ON import_rows (override_list, override_reason);
CREATE INDEX import_rows_by_state ON import_rows (import_id, state, number);

GRANT SELECT, INSERT, UPDATE ON imports, import_chunks TO simpul_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_rows TO simpul_service;
