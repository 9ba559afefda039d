SET lock_timeout = '2s';

DROP TABLE case_distinctions;
DROP TRIGGER keep_found ON case_people;
DROP FUNCTION keep_case_person_found();
ALTER TABLE case_people DROP COLUMN regency_code, DROP COLUMN name_key, DROP COLUMN name_version;
DELETE FROM codes WHERE list = 'distinct-reasons';
DELETE FROM code_lists WHERE name = 'distinct-reasons';
