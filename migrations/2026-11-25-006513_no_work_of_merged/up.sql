-- What somebody does is noted under the row that the person is found under: nothing new refers to a row that is merged, even
-- if the merge comes between the look at the row and the writing. The lock makes the one wait for the other.
SET lock_timeout = '2s';

CREATE FUNCTION refuse_merged_volunteer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM volunteers WHERE id = NEW.volunteer_id AND merged_into IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the volunteer is merged' USING ERRCODE = 'check_violation', CONSTRAINT = 'volunteer_is_merged';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER of_the_living BEFORE INSERT ON cases
    FOR EACH ROW WHEN (NEW.volunteer_id IS NOT NULL) EXECUTE FUNCTION refuse_merged_volunteer();
CREATE TRIGGER to_the_living BEFORE UPDATE ON cases
    FOR EACH ROW WHEN (NEW.volunteer_id IS NOT NULL AND NEW.volunteer_id IS DISTINCT FROM OLD.volunteer_id)
    EXECUTE FUNCTION refuse_merged_volunteer();
CREATE TRIGGER of_the_living BEFORE INSERT ON training_enrolments
    FOR EACH ROW EXECUTE FUNCTION refuse_merged_volunteer();
CREATE TRIGGER to_the_living BEFORE UPDATE ON training_enrolments
    FOR EACH ROW WHEN (NEW.volunteer_id IS DISTINCT FROM OLD.volunteer_id) EXECUTE FUNCTION refuse_merged_volunteer();
