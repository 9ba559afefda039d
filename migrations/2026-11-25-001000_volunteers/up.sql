-- Volunteers (Pekerja Sosial Masyarakat): who they are, where they stand, where they are posted.
SET lock_timeout = '2s';

-- What everyone with a right to the row works with. Personal data are in volunteer_people.
CREATE TABLE volunteers (
    id uuid PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('candidate', 'verified', 'selected', 'active', 'inactive', 'rejected',
        'resigned', 'dismissed', 'deceased')),
    status_since timestamptz NOT NULL,
    status_by uuid NOT NULL,
    effective_on date NOT NULL,
    ended_from text CHECK (ended_from IN ('active', 'inactive')),
    level text NOT NULL DEFAULT 'none' CHECK (level IN ('none', 'basic', 'advanced')),
    sex text CHECK (sex IN ('female', 'male')),
    -- Of the current posting; a subtree is an equality.
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C" NOT NULL,
    district_code text COLLATE "C" NOT NULL,
    village_code text COLLATE "C" NOT NULL REFERENCES regions,
    functions text[] NOT NULL,
    appointed_year smallint CHECK (appointed_year BETWEEN 1945 AND 2200),
    sk_number text,
    sk_date date,
    sk_official text,
    version integer NOT NULL DEFAULT 1,
    -- Whoever created it may send the create again: same creator and same body give the row.
    created_by uuid,
    create_request bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    CHECK (length(village_code) = 13 AND province_code = left(village_code, 2) AND regency_code = left(village_code, 5)
        AND district_code = left(village_code, 8)),
    CONSTRAINT volunteers_appointed CHECK (status NOT IN ('active', 'inactive')
        OR (sk_number IS NOT NULL AND sk_date IS NOT NULL AND sk_official IS NOT NULL)),
    CONSTRAINT volunteers_ended_from CHECK ((status IN ('resigned', 'dismissed', 'deceased')) = (ended_from IS NOT NULL))
);
COMMENT ON COLUMN volunteers.status_since IS 'When the status was recorded; effective_on says since when it holds.';
COMMENT ON COLUMN volunteers.status_by IS 'Agency that recorded the status.';
COMMENT ON COLUMN volunteers.ended_from IS 'What a correction of resigned, dismissed or deceased goes back to.';
COMMENT ON COLUMN volunteers.level IS 'Derived from passed training, never typed in.';
COMMENT ON COLUMN volunteers.sk_number IS 'Appointment letter (surat keputusan): number, date, signing official.';
-- Lists are in the order of id; the worklists ask for a status within a regency or a province.
CREATE INDEX volunteers_by_province ON volunteers (province_code, id);
CREATE INDEX volunteers_by_regency ON volunteers (regency_code, id);
CREATE INDEX volunteers_by_district ON volunteers (district_code, id);
CREATE INDEX volunteers_by_village ON volunteers (village_code, id);
CREATE INDEX volunteers_by_province_status ON volunteers (province_code, status, id);
CREATE INDEX volunteers_by_regency_status ON volunteers (regency_code, status, id);
CREATE INDEX volunteers_by_status ON volunteers (status, id);

-- Who a volunteer is. NIK: encrypted, found by its blind index, shown as its last four digits.
CREATE TABLE volunteer_people (
    volunteer_id uuid PRIMARY KEY REFERENCES volunteers,
    name text NOT NULL,
    folded_name text NOT NULL,
    birth_date date,
    birth_place text,
    address text,
    phone text,
    email text,
    education text,
    occupation text,
    member_number text,
    certificate_number text,
    certificate_organiser text,
    certificate_date date,
    nik_status text NOT NULL CHECK (nik_status IN ('verified', 'well_formed', 'none', 'unknown')),
    nik bytea,
    nik_index bytea,
    nik_last_four text CHECK (nik_last_four ~ '^[0-9]{4}$'),
    nik_warnings text[] NOT NULL,
    identity_state text NOT NULL CHECK (identity_state IN ('sole', 'disputed')),
    CHECK ((nik_status IN ('verified', 'well_formed')) = (nik IS NOT NULL)),
    CHECK ((nik IS NULL) = (nik_index IS NULL) AND (nik IS NULL) = (nik_last_four IS NULL))
);
COMMENT ON COLUMN volunteer_people.folded_name IS 'As names are compared: lower case, no diacritics (platform::text::fold).';
COMMENT ON COLUMN volunteer_people.certificate_number IS 'Basic training passed before this registry.';
COMMENT ON COLUMN volunteer_people.identity_state IS
    'disputed: registered with a NIK that a row elsewhere, which the registering agency cannot see, already has.';
CREATE UNIQUE INDEX volunteer_people_one_nik ON volunteer_people (nik_index) WHERE identity_state <> 'disputed';
CREATE INDEX volunteer_people_by_nik ON volunteer_people (nik_index);
CREATE INDEX volunteer_people_by_phone ON volunteer_people (phone);

-- Where a volunteer was posted: half-open, never two at once.
CREATE TABLE volunteer_postings (
    id uuid PRIMARY KEY,
    volunteer_id uuid NOT NULL REFERENCES volunteers,
    village_code text COLLATE "C" NOT NULL REFERENCES regions,
    valid_from date NOT NULL,
    valid_until date,
    posted_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    -- Equal: replaced on the day it began.
    CHECK (valid_until >= valid_from)
);
COMMENT ON COLUMN volunteer_postings.valid_until IS 'First day that it no longer holds; null: the current one.';
COMMENT ON COLUMN volunteer_postings.posted_by IS 'Agency that decided it.';
CREATE UNIQUE INDEX volunteer_postings_one_current ON volunteer_postings (volunteer_id) WHERE valid_until IS NULL;
CREATE INDEX volunteer_postings_by_volunteer ON volunteer_postings (volunteer_id, valid_from);
CREATE INDEX volunteer_postings_by_village ON volunteer_postings (village_code);

CREATE FUNCTION volunteer_postings_never_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Postings of one volunteer are written one after the other.
    PERFORM 1 FROM volunteers WHERE id = NEW.volunteer_id FOR UPDATE;
    IF EXISTS (SELECT 1 FROM volunteer_postings p
        WHERE p.volunteer_id = NEW.volunteer_id AND p.id <> NEW.id
        AND daterange(p.valid_from, p.valid_until) && daterange(NEW.valid_from, NEW.valid_until)) THEN
        RAISE EXCEPTION 'postings overlap' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'volunteer_postings_overlap';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_overlap BEFORE INSERT OR UPDATE ON volunteer_postings
    FOR EACH ROW EXECUTE FUNCTION volunteer_postings_never_overlap();

-- What happened to a volunteer's status. The note may tell of the person: it is shown like personal data.
CREATE TABLE volunteer_history (
    id uuid PRIMARY KEY,
    volunteer_id uuid NOT NULL REFERENCES volunteers,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'verify', 'select', 'activate', 'deactivate', 'reactivate',
        'reject', 'resign', 'dismiss', 'declare-deceased', 'reapply', 'correct')),
    from_status text CHECK (from_status IN ('candidate', 'verified', 'selected', 'active', 'inactive', 'rejected',
        'resigned', 'dismissed', 'deceased')),
    to_status text NOT NULL CHECK (to_status IN ('candidate', 'verified', 'selected', 'active', 'inactive', 'rejected',
        'resigned', 'dismissed', 'deceased')),
    effective_on date NOT NULL,
    agency_id uuid NOT NULL,
    acting_user text,
    reason text,
    list text GENERATED ALWAYS AS ('volunteer-reasons') STORED,
    note text,
    CHECK ((action = 'create') = (from_status IS NULL)),
    FOREIGN KEY (list, reason) REFERENCES codes (list, code)
);
CREATE INDEX volunteer_history_in_order ON volunteer_history (volunteer_id, at, id);
CREATE INDEX volunteer_history_by_reason ON volunteer_history (list, reason);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON volunteer_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The same table of moves as volunteers::rules: what it does not list, nobody can write.
CREATE FUNCTION volunteers_move_as_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status NOT IN ('candidate', 'active') THEN
            RAISE EXCEPTION 'a volunteer begins as candidate or active' USING ERRCODE = 'check_violation', CONSTRAINT = 'volunteers_moves';
        END IF;
    ELSIF NEW.status <> OLD.status AND NOT (CASE OLD.status
        WHEN 'candidate' THEN NEW.status IN ('verified', 'rejected')
        WHEN 'verified' THEN NEW.status IN ('selected', 'rejected')
        WHEN 'selected' THEN NEW.status IN ('active', 'rejected')
        WHEN 'active' THEN NEW.status IN ('inactive', 'resigned', 'dismissed', 'deceased')
        WHEN 'inactive' THEN NEW.status IN ('active', 'resigned', 'dismissed', 'deceased')
        WHEN 'rejected' THEN NEW.status = 'candidate'
        WHEN 'resigned' THEN NEW.status IN ('candidate', OLD.ended_from)
        ELSE NEW.status = OLD.ended_from END) THEN
        RAISE EXCEPTION 'a volunteer does not go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'volunteers_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER move_as_listed BEFORE INSERT OR UPDATE OF status ON volunteers
    FOR EACH ROW EXECUTE FUNCTION volunteers_move_as_listed();

-- A phone is the phone of a volunteer.
ALTER TABLE clients ADD CONSTRAINT clients_volunteer_id_fkey FOREIGN KEY (volunteer_id) REFERENCES volunteers;
CREATE INDEX clients_by_volunteer ON clients (volunteer_id);

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('volunteer-reasons', 'Alasan perubahan status PSM', 'Reasons for a change of a volunteer''s status');
-- group_code is the action that a code belongs to; none: any.
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('volunteer-reasons', 'documents_incomplete', 1, 'reject', false, 'Berkas tidak lengkap', 'Documents incomplete'),
    ('volunteer-reasons', 'not_resident', 2, 'reject', false, 'Bukan penduduk setempat', 'Not a resident'),
    ('volunteer-reasons', 'requirements_not_met', 3, 'reject', false, 'Syarat tidak terpenuhi', 'Requirements not met'),
    ('volunteer-reasons', 'quota_full', 4, 'reject', false, 'Kuota penuh', 'No place left'),
    ('volunteer-reasons', 'candidate_withdrew', 5, 'reject', false, 'Calon mengundurkan diri', 'Candidate withdrew'),
    ('volunteer-reasons', 'illness', 11, 'deactivate', false, 'Sakit', 'Illness'),
    ('volunteer-reasons', 'leave', 12, 'deactivate', false, 'Cuti', 'Leave'),
    ('volunteer-reasons', 'away', 13, 'deactivate', false, 'Sementara di luar daerah', 'Away for a time'),
    ('volunteer-reasons', 'not_reporting', 14, 'deactivate', false, 'Tidak melapor', 'Does not report'),
    ('volunteer-reasons', 'own_request', 21, 'resign', false, 'Permintaan sendiri', 'Own request'),
    ('volunteer-reasons', 'moved_away', 22, 'resign', false, 'Pindah domisili', 'Moved away'),
    ('volunteer-reasons', 'other_work', 23, 'resign', false, 'Pekerjaan lain', 'Other work'),
    ('volunteer-reasons', 'misconduct', 31, 'dismiss', false, 'Pelanggaran', 'Misconduct'),
    ('volunteer-reasons', 'long_absence', 32, 'dismiss', false, 'Lama tidak bertugas', 'Long absence'),
    ('volunteer-reasons', 'convicted', 33, 'dismiss', false, 'Terpidana', 'Convicted'),
    ('volunteer-reasons', 'entered_by_mistake', 41, 'correct', false, 'Salah catat', 'Entered by mistake'),
    ('volunteer-reasons', 'wrong_person', 42, 'correct', false, 'Salah orang', 'Wrong person'),
    ('volunteer-reasons', 'other', 99, NULL, true, 'Lainnya', 'Other');

GRANT SELECT, INSERT, UPDATE ON volunteers, volunteer_people, volunteer_postings TO simpul_service;
GRANT SELECT, INSERT ON volunteer_history TO simpul_service;
