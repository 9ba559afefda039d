DROP FUNCTION words_alike(text[]);
DROP INDEX volunteers_by_officer;
