SET lock_timeout = '2s';

DROP VIEW training_figures;
DROP TRIGGER count_attended ON training_attendance;
DROP FUNCTION training_attendance_count();
ALTER TABLE training_enrolments DROP COLUMN attended;
