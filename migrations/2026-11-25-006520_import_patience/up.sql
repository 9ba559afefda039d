-- What cannot be done right now is put off, and others go on; what is left of an import after its time is said to be gone.
SET lock_timeout = '2s';

ALTER TABLE import_chunks
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN not_before timestamptz;
COMMENT ON COLUMN import_chunks.attempts IS 'Faults of ours over it, since it was last done.';
COMMENT ON COLUMN import_chunks.not_before IS 'Until when nobody takes it up again.';

ALTER TABLE imports ADD COLUMN expired_at timestamptz;
COMMENT ON COLUMN imports.expired_at IS 'When rows that nobody had applied were removed.';
-- The same file goes in once, unless that came to nothing or not to its end.
DROP INDEX imports_once;
CREATE UNIQUE INDEX imports_once ON imports (agency_id, digest)
    WHERE state NOT IN ('failed', 'discarded') AND expired_at IS NULL;
