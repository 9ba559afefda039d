-- Training (bimbingan teknis): events, their sessions, who has a seat, who came, who passed.
SET lock_timeout = '2s';

CREATE TABLE training_events (
    id uuid PRIMARY KEY,
    organiser_id uuid NOT NULL REFERENCES agencies,
    -- The organiser's jurisdiction: a draft is seen by it and by the governments above.
    organiser_region_code text COLLATE "C" NOT NULL REFERENCES regions,
    level text NOT NULL CHECK (level IN ('basic', 'advanced', 'other')),
    title text NOT NULL,
    -- For whose volunteers it is: the organiser's region or one that lies in it.
    region_code text COLLATE "C" NOT NULL REFERENCES regions,
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C",
    district_code text COLLATE "C",
    village_code text COLLATE "C",
    venue text NOT NULL,
    speaker_agencies text[] NOT NULL,
    capacity integer NOT NULL CHECK (capacity BETWEEN 1 AND 10000),
    seats_taken integer NOT NULL DEFAULT 0,
    enrolment_opens_at timestamptz,
    enrolment_closes_at timestamptz,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'published', 'postponed', 'running', 'completed', 'cancelled')),
    state_since timestamptz NOT NULL,
    state_by uuid NOT NULL,
    reason text,
    list text GENERATED ALWAYS AS ('training-reasons') STORED,
    note text,
    version integer NOT NULL DEFAULT 1,
    -- Whoever created it may send the create again: same creator and same body give the row.
    created_by uuid,
    create_request bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT training_events_seats CHECK (seats_taken BETWEEN 0 AND capacity),
    -- Basic training is a regency's, advanced a province's.
    CONSTRAINT training_events_level_in_authority CHECK (CASE level WHEN 'basic' THEN length(organiser_region_code) = 5
        WHEN 'advanced' THEN length(organiser_region_code) = 2 ELSE length(organiser_region_code) IN (2, 5) END),
    CONSTRAINT training_events_region_in_authority CHECK (region_code = organiser_region_code
        OR left(region_code, length(organiser_region_code) + 1) = organiser_region_code || '.'),
    CHECK (province_code = left(region_code, 2)
        AND regency_code IS NOT DISTINCT FROM CASE WHEN length(region_code) >= 5 THEN left(region_code, 5) END
        AND district_code IS NOT DISTINCT FROM CASE WHEN length(region_code) >= 8 THEN left(region_code, 8) END
        AND village_code IS NOT DISTINCT FROM CASE WHEN length(region_code) = 13 THEN region_code END),
    CHECK (starts_at < ends_at),
    CHECK (enrolment_opens_at < enrolment_closes_at),
    CHECK ((state IN ('postponed', 'cancelled')) = (reason IS NOT NULL)),
    CHECK (note IS NULL OR reason IS NOT NULL),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
COMMENT ON COLUMN training_events.seats_taken IS 'Kept by the trigger on training_enrolments: nobody enrols without a seat.';
COMMENT ON COLUMN training_events.enrolment_opens_at IS 'Null: with the publication.';
COMMENT ON COLUMN training_events.enrolment_closes_at IS 'First instant that is too late; null: the start.';
COMMENT ON COLUMN training_events.starts_at IS 'Of the first session; ends_at is of the last.';
COMMENT ON COLUMN training_events.speaker_agencies IS 'Bodies that send speakers; no names of persons.';
-- The list is in the order of the start, within a province at most.
CREATE INDEX training_events_by_province ON training_events (province_code, starts_at, id);
CREATE INDEX training_events_in_order ON training_events (starts_at, id);
CREATE INDEX training_events_by_region ON training_events (region_code);
CREATE INDEX training_events_by_organiser ON training_events (organiser_id);
CREATE INDEX training_events_by_organiser_region ON training_events (organiser_region_code);
CREATE INDEX training_events_by_reason ON training_events (list, reason);

CREATE TABLE training_sessions (
    event_id uuid NOT NULL REFERENCES training_events,
    number smallint NOT NULL CHECK (number >= 1),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    topic text,
    PRIMARY KEY (event_id, number),
    CHECK (starts_at < ends_at)
);

-- One row for a person and an event, whatever becomes of it: who withdrew and enrols again has the same row.
CREATE TABLE training_enrolments (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL REFERENCES training_events,
    volunteer_id uuid NOT NULL REFERENCES volunteers,
    state text NOT NULL CHECK (state IN ('enrolled', 'withdrawn')),
    state_since timestamptz NOT NULL,
    state_by uuid NOT NULL,
    result text CHECK (result IN ('passed', 'failed', 'absent')),
    result_at timestamptz,
    result_by uuid,
    result_acting_user text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    CONSTRAINT training_enrolments_one_seat UNIQUE (event_id, volunteer_id),
    CHECK ((result IS NULL) = (result_at IS NULL) AND (result IS NULL) = (result_by IS NULL)),
    CHECK (result IS NULL OR state = 'enrolled')
);
COMMENT ON COLUMN training_enrolments.state_by IS 'Agency that enrolled or withdrew; of a phone, the agency of its client.';
CREATE INDEX training_enrolments_by_volunteer ON training_enrolments (volunteer_id, event_id);

CREATE TABLE training_attendance (
    event_id uuid NOT NULL,
    session smallint NOT NULL,
    volunteer_id uuid NOT NULL,
    present boolean NOT NULL,
    device_at timestamptz,
    noted_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by uuid NOT NULL,
    acting_user text,
    PRIMARY KEY (event_id, volunteer_id, session),
    FOREIGN KEY (event_id, session) REFERENCES training_sessions,
    FOREIGN KEY (event_id, volunteer_id) REFERENCES training_enrolments (event_id, volunteer_id)
);
COMMENT ON COLUMN training_attendance.device_at IS 'When it was noted, by the clock of the device.';
COMMENT ON COLUMN training_attendance.noted_at IS
    'The device''s time, unless it lies in the future: what arrives late does not replace what was noted later.';
CREATE INDEX training_attendance_by_session ON training_attendance (event_id, session);

CREATE TABLE training_event_history (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL REFERENCES training_events,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'publish', 'postpone', 'republish', 'start', 'complete', 'cancel')),
    from_state text CHECK (from_state IN ('draft', 'published', 'postponed', 'running', 'completed', 'cancelled')),
    to_state text NOT NULL CHECK (to_state IN ('draft', 'published', 'postponed', 'running', 'completed', 'cancelled')),
    agency_id uuid NOT NULL,
    acting_user text,
    reason text,
    list text GENERATED ALWAYS AS ('training-reasons') STORED,
    note text,
    CHECK ((action = 'create') = (from_state IS NULL)),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
CREATE INDEX training_event_history_in_order ON training_event_history (event_id, at, id);
CREATE INDEX training_event_history_by_reason ON training_event_history (list, reason);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON training_event_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The same table of moves as training::rules: what it does not list, nobody can write.
CREATE FUNCTION training_events_move_as_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' THEN
            RAISE EXCEPTION 'a training event begins as draft' USING ERRCODE = 'check_violation', CONSTRAINT = 'training_events_moves';
        END IF;
    ELSIF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'draft' THEN NEW.state IN ('published', 'cancelled')
        WHEN 'published' THEN NEW.state IN ('postponed', 'running', 'cancelled')
        WHEN 'postponed' THEN NEW.state IN ('published', 'cancelled')
        WHEN 'running' THEN NEW.state IN ('completed', 'cancelled')
        ELSE false END) THEN
        RAISE EXCEPTION 'a training event does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'training_events_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER move_as_listed BEFORE INSERT OR UPDATE OF state ON training_events
    FOR EACH ROW EXECUTE FUNCTION training_events_move_as_listed();

-- A seat is taken and given back in the statement that enrols and withdraws: the last seat has one winner.
CREATE FUNCTION training_enrolments_take_seats() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER take_seats AFTER INSERT OR UPDATE OF state ON training_enrolments
    FOR EACH ROW EXECUTE FUNCTION training_enrolments_take_seats();

-- Nobody passes what has not begun or was called off.
CREATE FUNCTION training_enrolments_result_in_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.result IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM training_events WHERE id = NEW.event_id AND state IN ('running', 'completed')) THEN
        RAISE EXCEPTION 'no result before the training runs' USING ERRCODE = 'check_violation', CONSTRAINT = 'training_enrolments_result_in_time';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER result_in_time BEFORE INSERT OR UPDATE OF result ON training_enrolments
    FOR EACH ROW EXECUTE FUNCTION training_enrolments_result_in_time();

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('training-reasons', 'Alasan penundaan atau pembatalan pelatihan', 'Reasons for postponing or cancelling a training event');
-- group_code is the action that a code belongs to; none: any.
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('training-reasons', 'venue_unavailable', 1, NULL, false, 'Tempat tidak tersedia', 'Venue not available'),
    ('training-reasons', 'speaker_unavailable', 2, NULL, false, 'Narasumber berhalangan', 'Speaker not available'),
    ('training-reasons', 'disaster', 3, NULL, false, 'Bencana', 'Disaster'),
    ('training-reasons', 'budget', 4, NULL, false, 'Anggaran', 'Budget'),
    ('training-reasons', 'date_clash', 5, 'postpone', false, 'Bentrok jadwal', 'Clash of dates'),
    ('training-reasons', 'too_few_participants', 6, NULL, false, 'Peserta terlalu sedikit', 'Too few participants'),
    ('training-reasons', 'entered_by_mistake', 7, 'cancel', false, 'Salah catat', 'Entered by mistake'),
    ('training-reasons', 'other', 99, NULL, true, 'Lainnya', 'Other');

GRANT SELECT, INSERT, UPDATE ON training_events, training_enrolments, training_attendance TO simpul_service;
-- New dates replace the sessions of an event that has not begun.
GRANT SELECT, INSERT, DELETE ON training_sessions TO simpul_service;
GRANT SELECT, INSERT ON training_event_history TO simpul_service;
