SET lock_timeout = '2s';

-- Rows that are merged would be there twice: part them first.
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM volunteers WHERE merged_into IS NOT NULL) THEN
        RAISE EXCEPTION 'there are merged volunteers';
    END IF;
END $$;
DROP TRIGGER merged_is_kept ON volunteers;
DROP FUNCTION volunteers_merged_is_kept();
CREATE OR REPLACE FUNCTION count_volunteers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v volunteers;
    delta integer;
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.status, OLD.level, OLD.sex, OLD.village_code)
        IS NOT DISTINCT FROM (NEW.status, NEW.level, NEW.sex, NEW.village_code) THEN
        RETURN NULL;
    END IF;
    FOREACH delta IN ARRAY CASE TG_OP WHEN 'INSERT' THEN '{1}'::integer[] WHEN 'DELETE' THEN '{-1}' ELSE '{-1,1}' END LOOP
        IF delta = 1 THEN v := NEW; ELSE v := OLD; END IF;
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
ALTER TABLE training_attendance
    DROP CONSTRAINT training_attendance_event_id_volunteer_id_fkey,
    ADD CONSTRAINT training_attendance_event_id_volunteer_id_fkey FOREIGN KEY (event_id, volunteer_id)
        REFERENCES training_enrolments (event_id, volunteer_id);
DROP TABLE merged_rows;
DROP TABLE volunteer_merges;
DELETE FROM codes WHERE list = 'duplicate-reasons';
DELETE FROM code_lists WHERE name = 'duplicate-reasons';
DROP INDEX volunteer_people_disputes;
DROP INDEX volunteer_people_one_nik;
CREATE UNIQUE INDEX volunteer_people_one_nik ON volunteer_people (nik_index) WHERE identity_state <> 'disputed';
ALTER TABLE volunteer_people
    DROP CONSTRAINT volunteer_people_disputed,
    DROP CONSTRAINT volunteer_people_identity_state_check,
    ADD CONSTRAINT volunteer_people_identity_state_check CHECK (identity_state IN ('sole', 'disputed')),
    DROP COLUMN disputed_at;
DROP INDEX volunteers_by_survivor;
ALTER TABLE volunteers DROP CONSTRAINT volunteers_merged, DROP COLUMN merged_at, DROP COLUMN merged_into;
