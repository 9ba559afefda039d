-- The list of volunteers is narrowed by the day on which the current posting began, and by age.
SET lock_timeout = '2s';

ALTER TABLE volunteers ADD COLUMN posted_on date;
COMMENT ON COLUMN volunteers.posted_on IS 'First day of the current posting, as volunteer_postings has it; kept by a trigger.';
UPDATE volunteers v SET posted_on = p.valid_from FROM volunteer_postings p WHERE p.volunteer_id = v.id AND p.valid_until IS NULL;

CREATE FUNCTION keep_posting_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE volunteers SET posted_on = NEW.valid_from WHERE id = NEW.volunteer_id AND posted_on IS DISTINCT FROM NEW.valid_from;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_posting_day AFTER INSERT OR UPDATE OF valid_from, valid_until ON volunteer_postings
    FOR EACH ROW WHEN (NEW.valid_until IS NULL) EXECUTE FUNCTION keep_posting_day();

-- Both days may be rare among many volunteers; a number of few or none is found by volunteer_people_by_phone.
CREATE INDEX volunteers_by_posting_day ON volunteers (posted_on, id);
CREATE INDEX volunteer_people_by_birth_date ON volunteer_people (birth_date);
