CREATE INDEX changes_by_entity ON changes (entity_id);
DROP FUNCTION is_among(uuid[], text[], uuid[], text[], boolean, boolean, uuid[], text, uuid, text[], text);
