DROP TRIGGER keep_posting_day ON volunteer_postings;
DROP FUNCTION keep_posting_day;
DROP INDEX volunteer_people_by_birth_date;
ALTER TABLE volunteers DROP COLUMN posted_on;
