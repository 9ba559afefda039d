-- Who did what, and who saw whose data (UU 27/2022, art. 31). Append only, without foreign keys: it outlives what it
-- speaks of, and holds ids and codes, never personal data.
SET lock_timeout = '2s';

CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    request_id uuid NOT NULL,
    agency_id uuid,
    client_id uuid,
    acting_user text,
    volunteer_id uuid,
    purpose text,
    subject_type text,
    subject_ids uuid[] NOT NULL,
    person_ids uuid[] NOT NULL,
    fields text[] NOT NULL,
    region_code text COLLATE "C",
    detail text
);
COMMENT ON COLUMN audit_events.action IS 'resource.verb, the same word as the handler: referral.accept.';
COMMENT ON COLUMN audit_events.acting_user IS 'The agency''s own opaque id of the officer at the keyboard.';
COMMENT ON COLUMN audit_events.volunteer_id IS 'Of a phone.';
COMMENT ON COLUMN audit_events.person_ids IS 'Whose data were shown or changed.';
COMMENT ON COLUMN audit_events.fields IS 'Which personal data were shown.';
COMMENT ON COLUMN audit_events.region_code IS 'Region of the subject at that time: decides which officers may read the row.';
COMMENT ON COLUMN audit_events.detail IS 'A code: the reason of a refusal or of an act.';
CREATE INDEX audit_events_by_agency ON audit_events (agency_id, at);
CREATE INDEX audit_events_by_region ON audit_events (region_code, at);
CREATE INDEX audit_events_by_subject ON audit_events USING gin (subject_ids);
CREATE INDEX audit_events_by_person ON audit_events USING gin (person_ids);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON audit_events TO simpul_service;
