DROP INDEX volunteers_by_supervisor;
ALTER TABLE volunteers
    DROP CONSTRAINT volunteers_supervisor_whole,
    DROP COLUMN supervisor_since,
    DROP COLUMN supervisor_officer,
    DROP COLUMN supervisor_agency_id,
    DROP COLUMN supervisor_kind;
