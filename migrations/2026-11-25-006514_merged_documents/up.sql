-- Documents go along with a merge, as cases and seats do; and what was known of the survivor's NIK before is known after an undo.
SET lock_timeout = '2s';

ALTER TABLE volunteer_merges ADD COLUMN nik_status_before text
    CHECK (nik_status_before IN ('verified', 'well_formed', 'none', 'unknown'));
COMMENT ON COLUMN volunteer_merges.nik_status_before IS 'What was known of the survivor''s NIK, if it took over the other one''s.';

ALTER TABLE merged_rows
    DROP CONSTRAINT merged_rows_entity_check,
    ADD CONSTRAINT merged_rows_entity_check
        CHECK (entity IN ('volunteer', 'case', 'referral', 'training_enrolment', 'volunteer_document'));

-- Those that stayed with a merged row follow, each noted with every merge that led to where it is now.
INSERT INTO merged_rows (merge_id, entity, row_id)
WITH RECURSIVE path AS (
    SELECT d.id AS document, m.id AS merge, m.survivor_id AS leads_to
    FROM volunteer_documents d JOIN volunteer_merges m ON m.duplicate_id = d.volunteer_id AND m.undone_at IS NULL
    WHERE d.state = 'stored'
    UNION ALL
    SELECT p.document, m.id, m.survivor_id
    FROM path p JOIN volunteer_merges m ON m.duplicate_id = p.leads_to AND m.undone_at IS NULL
)
SELECT merge, 'volunteer_document', document FROM path;
UPDATE volunteer_documents d SET volunteer_id = v.merged_into
    FROM volunteers v WHERE v.id = d.volunteer_id AND v.merged_into IS NOT NULL AND d.state = 'stored';
