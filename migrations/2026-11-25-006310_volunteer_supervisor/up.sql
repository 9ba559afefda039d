-- Who accompanies a volunteer: a TKSK (social worker of a district) or an officer of the social office. No name: the office's
-- own opaque id of that person.
SET lock_timeout = '2s';

ALTER TABLE volunteers
    ADD COLUMN supervisor_kind text CHECK (supervisor_kind IN ('tksk', 'dinsos_officer')),
    ADD COLUMN supervisor_agency_id uuid REFERENCES agencies (id),
    ADD COLUMN supervisor_officer text CHECK (supervisor_officer ~ '^[A-Za-z0-9._:-]{1,64}$'),
    ADD COLUMN supervisor_since date,
    ADD CONSTRAINT volunteers_supervisor_whole CHECK (
        num_nonnulls(supervisor_kind, supervisor_agency_id, supervisor_officer, supervisor_since) IN (0, 4)
    );
COMMENT ON COLUMN volunteers.supervisor_officer IS 'Opaque id, of the agency''s own making.';
CREATE INDEX volunteers_by_supervisor ON volunteers (supervisor_agency_id, supervisor_officer, id);
