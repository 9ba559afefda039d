SET lock_timeout = '2s';

DROP INDEX imports_once;
-- Of a file that came again after its time, the last import stays; digests of those before are no file's any more.
UPDATE imports SET digest = digest || uuid_send(id) WHERE expired_at IS NOT NULL;
CREATE UNIQUE INDEX imports_once ON imports (agency_id, digest) WHERE state NOT IN ('failed', 'discarded');
ALTER TABLE imports DROP COLUMN expired_at;
ALTER TABLE import_chunks
    DROP COLUMN not_before,
    DROP COLUMN attempts;
