-- Seats in training events: a waiting list, who takes part without the training that comes before, scores, and a history that
-- tells of every seat what happened to it, attendance and its corrections too.
SET lock_timeout = '2s';

ALTER TABLE training_events
    ADD COLUMN waiting integer NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    ADD COLUMN last_place integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN training_events.waiting IS 'How many wait for a seat; kept by the trigger on training_enrolments.';
COMMENT ON COLUMN training_events.last_place IS 'Last place given in the waiting list. A place is never given twice.';

ALTER TABLE training_enrolments
    DROP CONSTRAINT training_enrolments_state_check,
    ADD CONSTRAINT training_enrolments_state_check CHECK (state IN ('enrolled', 'waiting', 'withdrawn')),
    ADD COLUMN place integer,
    ADD COLUMN waiver_reason text,
    ADD COLUMN list text GENERATED ALWAYS AS ('training-waiver-reasons') STORED,
    ADD COLUMN waiver_note text,
    ADD COLUMN score smallint,
    ADD CONSTRAINT training_enrolments_place CHECK ((state = 'waiting') = (place IS NOT NULL)),
    ADD CONSTRAINT training_enrolments_score CHECK (score IS NULL OR (score BETWEEN 0 AND 100 AND result IN ('passed', 'failed'))),
    ADD CHECK (waiver_note IS NULL OR waiver_reason IS NOT NULL);
COMMENT ON COLUMN training_enrolments.place IS 'In the waiting list, the lowest first; given by the database. Null: does not wait.';
COMMENT ON COLUMN training_enrolments.waiver_reason IS 'Why it is taken without the training that comes before.';
-- Who is next, and how many are before somebody.
CREATE UNIQUE INDEX training_enrolments_waiting ON training_enrolments (event_id, place) WHERE state = 'waiting';

-- The next place, in the statement that begins to wait: the event's row makes one wait for the other.
CREATE FUNCTION training_enrolments_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'waiting' THEN
        NEW.place := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.state <> 'waiting' THEN
        UPDATE training_events SET last_place = last_place + 1 WHERE id = NEW.event_id RETURNING last_place INTO NEW.place;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER queue BEFORE INSERT OR UPDATE OF state ON training_enrolments
    FOR EACH ROW EXECUTE FUNCTION training_enrolments_queue();

CREATE OR REPLACE FUNCTION training_enrolments_take_seats() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seats integer := (NEW.state = 'enrolled')::integer;
    waits integer := (NEW.state = 'waiting')::integer;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        seats := seats - (OLD.state = 'enrolled')::integer;
        waits := waits - (OLD.state = 'waiting')::integer;
    END IF;
    IF seats <> 0 OR waits <> 0 THEN
        UPDATE training_events SET seats_taken = seats_taken + seats, waiting = waiting + waits WHERE id = NEW.event_id;
    END IF;
    RETURN NULL;
END $$;

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('training-waiver-reasons', 'Alasan ikut tanpa pelatihan sebelumnya', 'Reasons for taking part without the training that comes before'),
    ('training-correction-reasons', 'Alasan koreksi hasil pelatihan dan sertifikat', 'Reasons for correcting results of training and certificates');
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('training-waiver-reasons', 'trained_elsewhere', 1, NULL, false, 'Sudah dilatih di tempat lain', 'Trained elsewhere'),
    ('training-waiver-reasons', 'long_service', 2, NULL, false, 'Sudah lama bertugas', 'Long in service'),
    ('training-waiver-reasons', 'no_basic_training_offered', 3, NULL, false, 'Pelatihan dasar belum tersedia', 'No basic training is offered'),
    ('training-waiver-reasons', 'other', 99, NULL, true, 'Lainnya', 'Other');
-- group_code is the action that a code belongs to; none: any.
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('training-correction-reasons', 'entered_by_mistake', 1, NULL, false, 'Salah catat', 'Entered by mistake'),
    ('training-correction-reasons', 'reassessed', 2, 'result', false, 'Dinilai ulang', 'Assessed again'),
    ('training-correction-reasons', 'objection_upheld', 3, 'result', false, 'Keberatan diterima', 'Objection upheld'),
    ('training-correction-reasons', 'did_not_attend', 4, NULL, false, 'Ternyata tidak hadir', 'Did not attend after all'),
    ('training-correction-reasons', 'other', 99, NULL, true, 'Lainnya', 'Other');

ALTER TABLE training_enrolments ADD FOREIGN KEY (list, waiver_reason) REFERENCES codes (list, code);
CREATE INDEX training_enrolments_by_waiver ON training_enrolments (list, waiver_reason);

CREATE TABLE training_enrolment_history (
    id uuid PRIMARY KEY,
    enrolment_id uuid NOT NULL REFERENCES training_enrolments,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('enrol', 'wait', 'promote', 'withdraw', 'attend', 'result', 'void', 'issue', 'reissue', 'revoke')),
    session smallint,
    present boolean,
    device_at timestamptz,
    from_result text CHECK (from_result IN ('passed', 'failed', 'absent')),
    to_result text CHECK (to_result IN ('passed', 'failed', 'absent')),
    score smallint,
    reason text,
    list text GENERATED ALWAYS AS (CASE WHEN action IN ('enrol', 'wait') THEN 'training-waiver-reasons'
        WHEN action IN ('issue', 'reissue', 'revoke') THEN 'certificate-reasons' ELSE 'training-correction-reasons' END) STORED,
    note text,
    agency_id uuid NOT NULL,
    acting_user text,
    CHECK ((action = 'attend') = (session IS NOT NULL) AND (action = 'attend') = (present IS NOT NULL)),
    CHECK ((action = 'result') = (to_result IS NOT NULL)),
    CHECK (action <> 'void' OR (from_result IS NOT NULL AND reason IS NOT NULL)),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
COMMENT ON TABLE training_enrolment_history IS 'Every change of a seat, of attendance and of the result, oldest first; nobody changes it.';
COMMENT ON COLUMN training_enrolment_history.device_at IS 'Of attendance: when it was noted, by the clock of the device.';
CREATE INDEX training_enrolment_history_in_order ON training_enrolment_history (enrolment_id, at, id);
CREATE INDEX training_enrolment_history_by_reason ON training_enrolment_history (list, reason);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON training_enrolment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is known of seats from before: what was recorded last.
INSERT INTO training_enrolment_history (id, enrolment_id, at, action, agency_id)
    SELECT gen_random_uuid(), id, created_at, 'enrol', state_by FROM training_enrolments;
INSERT INTO training_enrolment_history (id, enrolment_id, at, action, agency_id)
    SELECT gen_random_uuid(), id, state_since, 'withdraw', state_by FROM training_enrolments WHERE state = 'withdrawn';
INSERT INTO training_enrolment_history (id, enrolment_id, at, action, session, present, device_at, agency_id, acting_user)
    SELECT gen_random_uuid(), e.id, a.recorded_at, 'attend', a.session, a.present, a.device_at, a.recorded_by, a.acting_user
    FROM training_attendance a JOIN training_enrolments e ON (e.event_id, e.volunteer_id) = (a.event_id, a.volunteer_id);
INSERT INTO training_enrolment_history (id, enrolment_id, at, action, to_result, agency_id, acting_user)
    SELECT gen_random_uuid(), id, result_at, 'result', result, result_by, result_acting_user FROM training_enrolments WHERE result IS NOT NULL;

GRANT SELECT, INSERT ON training_enrolment_history TO simpul_service;
