-- One person once: what was registered twice becomes one row, and can be parted again for a time.
SET lock_timeout = '2s';

ALTER TABLE volunteers
    ADD COLUMN merged_into uuid REFERENCES volunteers,
    ADD COLUMN merged_at timestamptz,
    ADD CONSTRAINT volunteers_merged CHECK ((merged_into IS NULL) = (merged_at IS NULL) AND merged_into <> id);
COMMENT ON COLUMN volunteers.merged_into IS
    'The row that this person is found under. A merged row is in no list, search or figure; reading it leads to the other.';
CREATE INDEX volunteers_by_survivor ON volunteers (merged_into);

-- A merged row keeps its NIK, so that the merge can be undone, and it is nobody's duplicate meanwhile.
ALTER TABLE volunteer_people
    ADD COLUMN disputed_at timestamptz,
    DROP CONSTRAINT volunteer_people_identity_state_check,
    ADD CONSTRAINT volunteer_people_identity_state_check CHECK (identity_state IN ('sole', 'disputed', 'merged')),
    ADD CONSTRAINT volunteer_people_disputed CHECK (identity_state <> 'disputed' OR nik_index IS NOT NULL);
COMMENT ON COLUMN volunteer_people.disputed_at IS 'When the row was found to have the NIK of another.';
UPDATE volunteer_people p SET disputed_at = v.created_at
    FROM volunteers v WHERE v.id = p.volunteer_id AND p.identity_state = 'disputed';
DROP INDEX volunteer_people_one_nik;
CREATE UNIQUE INDEX volunteer_people_one_nik ON volunteer_people (nik_index) WHERE identity_state = 'sole';
CREATE INDEX volunteer_people_disputes ON volunteer_people (volunteer_id) WHERE identity_state = 'disputed';

-- What was merged into what. Rows that moved from one to the other are in merged_rows, so that they can go back.
CREATE TABLE volunteer_merges (
    id uuid PRIMARY KEY,
    survivor_id uuid NOT NULL REFERENCES volunteers,
    duplicate_id uuid NOT NULL REFERENCES volunteers,
    at timestamptz NOT NULL,
    agency_id uuid NOT NULL,
    acting_user text,
    reason text NOT NULL,
    list text GENERATED ALWAYS AS ('duplicate-reasons') STORED,
    filled text[] NOT NULL,
    undone_at timestamptz,
    undone_by uuid,
    CHECK ((undone_at IS NULL) = (undone_by IS NULL)),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
COMMENT ON COLUMN volunteer_merges.filled IS 'Personal data that the survivor lacked and took over: names of columns, no values.';
CREATE UNIQUE INDEX volunteer_merges_once ON volunteer_merges (duplicate_id) WHERE undone_at IS NULL;
CREATE INDEX volunteer_merges_by_survivor ON volunteer_merges (survivor_id, at);
CREATE INDEX volunteer_merges_by_duplicate ON volunteer_merges (duplicate_id);
CREATE INDEX volunteer_merges_by_reason ON volunteer_merges (list, reason);

CREATE TABLE merged_rows (
    merge_id uuid NOT NULL REFERENCES volunteer_merges,
    entity text NOT NULL CHECK (entity IN ('volunteer', 'case', 'referral', 'training_enrolment')),
    row_id uuid NOT NULL,
    PRIMARY KEY (merge_id, entity, row_id)
);
COMMENT ON COLUMN merged_rows.entity IS 'volunteer: one that had been merged into the duplicate before.';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('duplicate-reasons', 'Alasan data ganda PSM', 'Reasons about records of one or two persons');
-- group_code: override = registered although another is alike; merge = two rows are one person.
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('duplicate-reasons', 'namesakes', 1, 'override', false, 'Orang lain dengan nama sama', 'Another person of the same name'),
    ('duplicate-reasons', 'twins', 2, 'override', false, 'Saudara kembar', 'Twins'),
    ('duplicate-reasons', 'identity_checked', 3, 'override', false, 'Identitas sudah diperiksa', 'Identity was checked'),
    ('duplicate-reasons', 'same_nik', 11, 'merge', false, 'NIK sama, orangnya sama', 'Same NIK, same person'),
    ('duplicate-reasons', 'registered_twice', 12, 'merge', false, 'Terdaftar dua kali', 'Registered twice'),
    ('duplicate-reasons', 'moved_and_registered_again', 13, 'merge', false, 'Pindah dan didaftarkan lagi', 'Moved and registered again');

-- Attendance goes with the seat when that becomes another row's.
ALTER TABLE training_attendance
    DROP CONSTRAINT training_attendance_event_id_volunteer_id_fkey,
    ADD CONSTRAINT training_attendance_event_id_volunteer_id_fkey FOREIGN KEY (event_id, volunteer_id)
        REFERENCES training_enrolments (event_id, volunteer_id) ON UPDATE CASCADE;

-- A merged row counts nowhere.
CREATE OR REPLACE FUNCTION count_volunteers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v volunteers;
    delta integer;
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.status, OLD.level, OLD.sex, OLD.village_code, OLD.merged_into IS NULL)
        IS NOT DISTINCT FROM (NEW.status, NEW.level, NEW.sex, NEW.village_code, NEW.merged_into IS NULL) THEN
        RETURN NULL;
    END IF;
    FOREACH delta IN ARRAY CASE TG_OP WHEN 'INSERT' THEN '{1}'::integer[] WHEN 'DELETE' THEN '{-1}' ELSE '{-1,1}' END LOOP
        IF delta = 1 THEN v := NEW; ELSE v := OLD; END IF;
        CONTINUE WHEN v.merged_into IS NOT NULL;
        INSERT INTO volunteer_figures (region_code, parent_code, status, level, sex, count, folded)
        SELECT r.code, r.parent, v.status, v.level, coalesce(v.sex, 'unknown'), delta, false
        FROM (VALUES ('', NULL), (v.province_code, ''), (v.regency_code, v.province_code),
            (v.district_code, v.regency_code), (v.village_code, v.district_code)) AS r(code, parent);
        IF v.status = 'active' THEN
            INSERT INTO coverage_figures (village_code, active, folded) VALUES (v.village_code, delta, false);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- A merged row stays as it is until it is parted again.
CREATE FUNCTION volunteers_merged_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.merged_into IS NOT NULL AND NEW.merged_into IS NOT NULL AND OLD.status <> NEW.status THEN
        RAISE EXCEPTION 'a merged volunteer is not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'volunteers_merged_is_kept';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER merged_is_kept BEFORE UPDATE OF status ON volunteers
    FOR EACH ROW EXECUTE FUNCTION volunteers_merged_is_kept();

GRANT SELECT, INSERT, UPDATE ON volunteer_merges TO simpul_service;
GRANT SELECT, INSERT ON merged_rows TO simpul_service;
