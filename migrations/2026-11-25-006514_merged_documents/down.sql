SET lock_timeout = '2s';

DELETE FROM merged_rows WHERE entity = 'volunteer_document';
ALTER TABLE merged_rows
    DROP CONSTRAINT merged_rows_entity_check,
    ADD CONSTRAINT merged_rows_entity_check CHECK (entity IN ('volunteer', 'case', 'referral', 'training_enrolment'));
ALTER TABLE volunteer_merges DROP COLUMN nik_status_before;
