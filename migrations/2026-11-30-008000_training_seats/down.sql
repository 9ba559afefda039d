SET lock_timeout = '2s';

DROP TABLE training_enrolment_history;
DROP TRIGGER queue ON training_enrolments;
DROP FUNCTION training_enrolments_queue();
CREATE OR REPLACE FUNCTION training_enrolments_take_seats() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change integer := CASE WHEN NEW.state = 'enrolled' THEN 1 ELSE 0 END;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'enrolled' THEN
        change := change - 1;
    END IF;
    IF change <> 0 THEN
        UPDATE training_events SET seats_taken = seats_taken + change WHERE id = NEW.event_id;
    END IF;
    RETURN NULL;
END $$;
DROP INDEX training_enrolments_waiting;
-- Who waited has no seat.
ALTER TABLE training_enrolments DROP COLUMN place, DROP COLUMN score, DROP COLUMN list, DROP COLUMN waiver_reason, DROP COLUMN waiver_note;
UPDATE training_enrolments SET state = 'withdrawn' WHERE state = 'waiting';
ALTER TABLE training_enrolments
    DROP CONSTRAINT training_enrolments_state_check,
    ADD CONSTRAINT training_enrolments_state_check CHECK (state IN ('enrolled', 'withdrawn'));
ALTER TABLE training_events DROP COLUMN waiting, DROP COLUMN last_place;
DELETE FROM codes WHERE list IN ('training-waiver-reasons', 'training-correction-reasons');
DELETE FROM code_lists WHERE name IN ('training-waiver-reasons', 'training-correction-reasons');
