DROP FUNCTION words(text);
DROP FUNCTION uuids(text);
DROP TABLE idempotency_keys;
DROP TABLE installation;
