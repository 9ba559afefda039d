DROP TRIGGER move_name_tokens ON volunteers;
DROP TRIGGER keep_name_tokens ON volunteer_people;
DROP FUNCTION move_name_tokens;
DROP FUNCTION keep_name_tokens;
DROP FUNCTION name_tokens;
DROP FUNCTION sweep_name_words;
DROP FUNCTION remember_name_words;
DROP TABLE name_words;
ALTER TABLE volunteer_people DROP COLUMN search_words, DROP COLUMN search_version, DROP COLUMN search_tokens;
