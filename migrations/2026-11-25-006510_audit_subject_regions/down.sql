SET lock_timeout = '2s';

DROP FUNCTION audit_tells(uuid, uuid[], uuid[], text[], text);
ALTER TABLE audit_events DROP COLUMN subject_regions;
