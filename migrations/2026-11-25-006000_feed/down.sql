DROP FUNCTION renew_changes();
DROP FUNCTION sweep_changes(timestamptz, bigint);
DROP FUNCTION is_among(uuid[], text[], uuid[], text[], boolean, uuid[], text, uuid, text[], text);
DROP FUNCTION lies_in(text[], text);
DROP FUNCTION follows(xid8, bigint, bigint, bigint);
DROP FUNCTION changes_horizon();
DROP TABLE changes_swept;
