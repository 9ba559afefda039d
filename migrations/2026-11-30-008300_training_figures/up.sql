-- What figures of training are counted from: who took part in what is over, by whatever they are told by. A view reads the seats
-- themselves, so that no figure differs from its list; there are some hundred thousand seats a year in the whole country.
SET lock_timeout = '2s';

ALTER TABLE training_enrolments ADD COLUMN attended smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN training_enrolments.attended IS 'How many sessions were come to; kept by the trigger on training_attendance.';
UPDATE training_enrolments e SET attended = came.sessions FROM (
    SELECT event_id, volunteer_id, count(*) AS sessions FROM training_attendance WHERE present GROUP BY 1, 2) AS came
    WHERE (e.event_id, e.volunteer_id) = (came.event_id, came.volunteer_id);

CREATE FUNCTION training_attendance_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change integer := NEW.present::integer;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        change := change - OLD.present::integer;
    END IF;
    IF change <> 0 THEN
        UPDATE training_enrolments SET attended = attended + change WHERE (event_id, volunteer_id) = (NEW.event_id, NEW.volunteer_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_attended AFTER INSERT OR UPDATE OF present ON training_attendance
    FOR EACH ROW EXECUTE FUNCTION training_attendance_count();

CREATE VIEW training_figures AS
    WITH seats AS (
        SELECT e.id AS enrolment_id, e.event_id, t.title, t.level, t.year, t.speaker_agencies, coalesce(v.sex, 'unknown') AS sex,
            v.province_code, v.regency_code, v.district_code, v.village_code,
            (e.result IS NOT DISTINCT FROM 'passed')::integer AS passed,
            (e.result IS NOT DISTINCT FROM 'failed')::integer AS failed,
            (e.result IS NOT DISTINCT FROM 'absent')::integer AS absent,
            t.sessions::integer AS expected, e.attended::integer AS attended
        FROM training_enrolments e
        JOIN training_events t ON t.id = e.event_id
        JOIN volunteers v ON v.id = e.volunteer_id
        WHERE e.state = 'enrolled' AND t.state = 'completed')
    SELECT s.enrolment_id, s.event_id, s.level, s.year, s.sex, s.province_code, s.regency_code, s.district_code, s.village_code,
        s.passed, s.failed, s.absent, s.expected, s.attended, told.by, told.key, told.label
    FROM seats s CROSS JOIN LATERAL (
        VALUES ('all', '', ''), ('event', s.event_id::text, s.title), ('level', s.level, s.level), ('sex', s.sex, s.sex),
            ('year', s.year::text, s.year::text), ('province', s.province_code, s.province_code),
            ('regency', s.regency_code, s.regency_code), ('district', s.district_code, s.district_code),
            ('village', s.village_code, s.village_code)
        UNION ALL SELECT 'speaker_agency', agency, agency FROM unnest(s.speaker_agencies) AS agency
    ) AS told (by, key, label);
COMMENT ON VIEW training_figures IS
    'Each seat of an event that is over, once for each thing it is told by: of how many sessions, how many attended, and what came of it.';

GRANT SELECT ON training_figures TO simpul_service;
