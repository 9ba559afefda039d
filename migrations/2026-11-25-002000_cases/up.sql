-- A case is a person's need, reported by a volunteer or an office. What tells who the person is stands in a row of its
-- own; the case itself holds working data only.
SET lock_timeout = '2s';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('case-outcomes', 'Hasil kasus', 'Outcomes of cases'),
    ('reopen-reasons', 'Alasan membuka kembali', 'Reasons for reopening');
INSERT INTO codes (list, code, position, label_id, label_en) VALUES
    ('case-outcomes', 'need_met', 1, 'Kebutuhan terpenuhi', 'Need met'),
    ('case-outcomes', 'need_partly_met', 2, 'Kebutuhan terpenuhi sebagian', 'Need partly met'),
    ('case-outcomes', 'need_not_met', 3, 'Kebutuhan tidak terpenuhi', 'Need not met'),
    ('case-outcomes', 'refused_by_person', 4, 'Ditolak oleh yang bersangkutan', 'Refused by the person'),
    ('case-outcomes', 'unreachable', 5, 'Tidak dapat dihubungi', 'Unreachable'),
    ('case-outcomes', 'moved', 6, 'Pindah', 'Moved'),
    ('case-outcomes', 'deceased', 7, 'Meninggal dunia', 'Deceased'),
    ('case-outcomes', 'duplicate', 8, 'Ganda', 'Duplicate'),
    ('reopen-reasons', 'need_returned', 1, 'Kebutuhan muncul kembali', 'The need has returned'),
    ('reopen-reasons', 'closed_by_mistake', 2, 'Ditutup karena keliru', 'Closed by mistake'),
    ('reopen-reasons', 'new_information', 3, 'Ada keterangan baru', 'New information');
INSERT INTO codes (list, code, position, needs_text, label_id, label_en) VALUES
    ('reopen-reasons', 'other', 99, true, 'Lainnya', 'Other');

-- Human numbers: one counter a regency and year, so that nobody scans for the highest one.
CREATE TABLE case_numbers (
    regency_code text COLLATE "C" NOT NULL REFERENCES regions,
    year smallint NOT NULL CHECK (year BETWEEN 2000 AND 9999),
    last integer NOT NULL CHECK (last > 0),
    PRIMARY KEY (regency_code, year)
);

CREATE TABLE cases (
    id uuid PRIMARY KEY,
    number text NOT NULL CHECK (number ~ '^KS-[0-9]{4}-[0-9]{4}-[0-9]{6,}$'),
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C" NOT NULL,
    district_code text COLLATE "C" NOT NULL,
    village_code text COLLATE "C" NOT NULL REFERENCES regions,
    reporter_agency_id uuid NOT NULL REFERENCES agencies,
    -- The volunteer who reported it and follows it.
    volunteer_id uuid REFERENCES volunteers,
    ppks text[] NOT NULL CHECK (cardinality(ppks) BETWEEN 1 AND 26),
    sensitive boolean NOT NULL,
    service_field text,
    service_field_list text NOT NULL GENERATED ALWAYS AS ('service-fields') STORED,
    sector text,
    sector_list text NOT NULL GENERATED ALWAYS AS ('sectors') STORED,
    urgency text NOT NULL CHECK (urgency IN ('normal', 'urgent')),
    lawful_basis text NOT NULL CHECK (lawful_basis IN ('consent', 'vital_interest', 'legal_obligation', 'public_task')),
    consent_by text CHECK (consent_by IN ('person', 'guardian')),
    consent_on date,
    outcome text,
    outcome_list text NOT NULL GENERATED ALWAYS AS ('case-outcomes') STORED,
    closed_at timestamptz,
    state_since timestamptz NOT NULL,
    state_agency_id uuid NOT NULL REFERENCES agencies,
    version integer NOT NULL DEFAULT 1,
    created_by uuid NOT NULL,
    create_request bytea NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (service_field_list, service_field) REFERENCES codes (list, code),
    FOREIGN KEY (sector_list, sector) REFERENCES codes (list, code),
    FOREIGN KEY (outcome_list, outcome) REFERENCES codes (list, code),
    CHECK (province_code = left(village_code, 2) AND regency_code = left(village_code, 5)
        AND district_code = left(village_code, 8) AND length(village_code) = 13),
    CONSTRAINT cases_consent CHECK ((lawful_basis = 'consent') = (consent_by IS NOT NULL AND consent_on IS NOT NULL)
        AND (consent_by IS NULL) = (consent_on IS NULL)),
    CONSTRAINT cases_closed CHECK ((state = 'closed') = (outcome IS NOT NULL) AND (state = 'closed') = (closed_at IS NOT NULL))
);
COMMENT ON COLUMN cases.sensitive IS 'One of its PPKS categories is specific personal data: hidden from a village that did not report it.';
COMMENT ON COLUMN cases.created_by IS 'Client: with create_request it tells a repeated create.';
CREATE UNIQUE INDEX cases_by_number ON cases (number);
CREATE INDEX cases_newest ON cases (created_at DESC, id DESC);
CREATE INDEX cases_by_province ON cases (province_code, created_at DESC, id DESC);
CREATE INDEX cases_by_regency ON cases (regency_code, created_at DESC, id DESC);
CREATE INDEX cases_by_district ON cases (district_code, created_at DESC, id DESC);
CREATE INDEX cases_by_village ON cases (village_code, created_at DESC, id DESC);
CREATE INDEX cases_by_volunteer ON cases (volunteer_id, created_at DESC, id DESC);
CREATE INDEX cases_by_reporter ON cases (reporter_agency_id);
CREATE INDEX cases_by_state_agency ON cases (state_agency_id);
CREATE INDEX cases_by_ppks ON cases USING gin (ppks);
CREATE INDEX cases_by_service_field ON cases (service_field_list, service_field);
CREATE INDEX cases_by_sector ON cases (sector_list, sector);
CREATE INDEX cases_by_outcome ON cases (outcome_list, outcome);

-- Who the person is. Numbers are encrypted; the blind index finds equal ones.
CREATE TABLE case_people (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    name text NOT NULL,
    sex text CHECK (sex IN ('female', 'male')),
    birth_date date,
    age_estimate smallint CHECK (age_estimate BETWEEN 0 AND 130),
    age_estimated_on date,
    nik_status text NOT NULL CHECK (nik_status IN ('verified', 'well_formed', 'none', 'unknown')),
    nik bytea,
    nik_index bytea,
    nik_last_four text CHECK (nik_last_four ~ '^[0-9]{4}$'),
    kk bytea,
    kk_index bytea,
    kk_last_four text CHECK (kk_last_four ~ '^[0-9]{4}$'),
    card bytea,
    card_index bytea,
    card_last_four text CHECK (card_last_four ~ '^[0-9]{4}$'),
    address text,
    phone text,
    guardian_name text,
    guardian_phone text,
    communication_need text CHECK (communication_need IN ('local_language', 'sign_language', 'large_print_or_braille', 'easy_language', 'companion')),
    need text NOT NULL,
    CONSTRAINT case_people_age CHECK (birth_date IS NULL OR age_estimate IS NULL),
    CHECK ((age_estimate IS NULL) = (age_estimated_on IS NULL)),
    CONSTRAINT case_people_nik CHECK ((nik IS NOT NULL) = (nik_status IN ('verified', 'well_formed'))),
    CHECK ((nik IS NULL) = (nik_index IS NULL) AND (nik IS NULL) = (nik_last_four IS NULL)),
    CHECK ((kk IS NULL) = (kk_index IS NULL) AND (kk IS NULL) = (kk_last_four IS NULL)),
    CHECK ((card IS NULL) = (card_index IS NULL) AND (card IS NULL) = (card_last_four IS NULL))
);
COMMENT ON COLUMN case_people.need IS 'Free text about a person is personal data.';
CREATE UNIQUE INDEX case_people_by_case ON case_people (case_id);
CREATE INDEX case_people_by_nik ON case_people (nik_index);
CREATE INDEX case_people_by_kk ON case_people (kk_index);
CREATE INDEX case_people_by_card ON case_people (card_index);

CREATE TABLE case_history (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'close', 'reopen')),
    from_state text,
    to_state text NOT NULL,
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    acting_user text,
    volunteer_id uuid,
    -- Outcome of a close, reason of a reopening.
    reason text,
    note text
);
COMMENT ON COLUMN case_history.note IS 'Free text about a person: shown as the person is.';
CREATE INDEX case_history_by_case ON case_history (case_id, at, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON cases, case_people, case_numbers TO simpul_service;
GRANT SELECT, INSERT ON case_history TO simpul_service;
