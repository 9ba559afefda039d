-- One open case for a person and a need in a regency: who reports it again is told of the first one, and may say that it is
-- another.
SET lock_timeout = '2s';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('distinct-reasons', 'Alasan kasus terpisah', 'Reasons why a case is another one');
-- group_code: namesake = explains why others have the name, and not why they have the number.
INSERT INTO codes (list, code, position, group_code, label_id, label_en) VALUES
    ('distinct-reasons', 'namesakes', 1, 'namesake', 'Orang lain dengan nama sama', 'Another person of the same name'),
    ('distinct-reasons', 'twins', 2, 'namesake', 'Saudara kembar', 'Twins');
INSERT INTO codes (list, code, position, label_id, label_en) VALUES
    ('distinct-reasons', 'identity_checked', 3, 'Orang lain, identitas sudah diperiksa', 'Another person: identity was checked'),
    ('distinct-reasons', 'separate_need', 4, 'Orang yang sama, kebutuhan lain yang ditangani terpisah', 'The same person, another need that is handled apart');

ALTER TABLE case_people
    ADD COLUMN regency_code text COLLATE "C",
    ADD COLUMN name_key text COLLATE "C",
    ADD COLUMN name_version smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN case_people.regency_code IS 'Of the case, which never moves: within it persons are compared. Written by a trigger.';
COMMENT ON COLUMN case_people.name_key IS 'The name as names are compared (platform::names::likeness::key); written by the service.';
COMMENT ON COLUMN case_people.name_version IS
    'By which rules the key was made; those of former ones, 0 among them, are made anew by a job.';
UPDATE case_people p SET regency_code = c.regency_code FROM cases c WHERE c.id = p.case_id;

CREATE FUNCTION keep_case_person_found() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.regency_code := (SELECT regency_code FROM cases WHERE id = NEW.case_id);
    -- A former version of the service knows nothing of the key.
    ELSIF NEW.name <> OLD.name AND NEW.name_key IS NOT DISTINCT FROM OLD.name_key THEN
        NEW.name_version := 0;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_found BEFORE INSERT OR UPDATE OF name ON case_people
    FOR EACH ROW EXECUTE FUNCTION keep_case_person_found();

CREATE INDEX case_people_by_name ON case_people (regency_code, name_key);
CREATE INDEX case_people_by_birth_date ON case_people (regency_code, birth_date) WHERE birth_date IS NOT NULL;
CREATE INDEX case_people_by_name_version ON case_people (name_version);

-- That two cases which are alike are two, as who reported the later one said.
CREATE TABLE case_distinctions (
    case_id uuid NOT NULL REFERENCES cases,
    other_id uuid NOT NULL REFERENCES cases,
    reason text NOT NULL,
    list text NOT NULL GENERATED ALWAYS AS ('distinct-reasons') STORED,
    at timestamptz NOT NULL,
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    PRIMARY KEY (case_id, other_id),
    CHECK (case_id <> other_id),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
COMMENT ON COLUMN case_distinctions.case_id IS 'The one that was reported later.';
CREATE INDEX case_distinctions_by_other ON case_distinctions (other_id);
CREATE INDEX case_distinctions_by_reason ON case_distinctions (list, reason);

GRANT SELECT, INSERT ON case_distinctions TO simpul_service;
