SET lock_timeout = '2s';

DROP TRIGGER append_only ON training_enrolment_history;
DELETE FROM training_enrolment_history WHERE action IN ('issue', 'reissue', 'revoke');
ALTER TABLE training_enrolment_history DROP COLUMN certificate_id;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON training_enrolment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DROP TRIGGER keep_certified ON training_enrolments;
DROP FUNCTION training_enrolments_keep_certified();
DROP TABLE certificates;
DROP FUNCTION certificates_only_end();
DROP TABLE certificate_numbers;
DELETE FROM codes WHERE list = 'certificate-reasons';
DELETE FROM code_lists WHERE name = 'certificate-reasons';
