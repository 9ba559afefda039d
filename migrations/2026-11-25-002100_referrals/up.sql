-- A referral asks one source system to meet the need of a case. Its states and moves are those of
-- src/referrals/rules.rs; what is not among them is refused here too.
SET lock_timeout = '2s';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('failure-reasons', 'Alasan kegagalan', 'Reasons for failing'),
    ('hold-reasons', 'Alasan penundaan', 'Reasons for holding'),
    ('forward-reasons', 'Alasan penerusan', 'Reasons for forwarding'),
    ('withdrawal-reasons', 'Alasan penarikan atau pembatalan', 'Reasons for withdrawing or cancelling'),
    ('correction-reasons', 'Alasan koreksi', 'Reasons for correcting');
INSERT INTO codes (list, code, position, label_id, label_en) VALUES
    ('failure-reasons', 'unreachable', 1, 'Tidak dapat dihubungi', 'Unreachable'),
    ('failure-reasons', 'moved', 2, 'Pindah', 'Moved'),
    ('failure-reasons', 'deceased', 3, 'Meninggal dunia', 'Deceased'),
    ('failure-reasons', 'refused_by_person', 4, 'Ditolak oleh yang bersangkutan', 'Refused by the person'),
    ('failure-reasons', 'documents_incomplete', 5, 'Berkas tidak lengkap', 'Documents incomplete'),
    ('failure-reasons', 'quota_exhausted', 6, 'Kuota habis', 'Quota exhausted'),
    ('hold-reasons', 'waiting_for_documents', 1, 'Menunggu berkas', 'Waiting for documents'),
    ('hold-reasons', 'waiting_for_quota', 2, 'Menunggu kuota', 'Waiting for quota'),
    ('hold-reasons', 'person_unavailable', 3, 'Yang bersangkutan tidak di tempat', 'The person is away'),
    ('hold-reasons', 'waiting_for_other_agency', 4, 'Menunggu instansi lain', 'Waiting for another agency'),
    ('forward-reasons', 'outside_authority', 1, 'Di luar kewenangan', 'Outside our authority'),
    ('forward-reasons', 'capacity_exceeded', 2, 'Melebihi kemampuan', 'Beyond our capacity'),
    ('forward-reasons', 'nearer_branch', 3, 'Cabang yang lebih dekat', 'A nearer branch'),
    ('withdrawal-reasons', 'need_met_otherwise', 1, 'Kebutuhan sudah terpenuhi', 'Need met otherwise'),
    ('withdrawal-reasons', 'wrong_target', 2, 'Salah tujuan', 'Wrong target'),
    ('withdrawal-reasons', 'refused_by_person', 3, 'Ditolak oleh yang bersangkutan', 'Refused by the person'),
    ('withdrawal-reasons', 'consent_withdrawn', 4, 'Persetujuan ditarik', 'Consent withdrawn'),
    ('withdrawal-reasons', 'moved', 5, 'Pindah', 'Moved'),
    ('withdrawal-reasons', 'deceased', 6, 'Meninggal dunia', 'Deceased'),
    ('withdrawal-reasons', 'duplicate', 7, 'Ganda', 'Duplicate'),
    ('withdrawal-reasons', 'case_closed', 8, 'Kasus ditutup', 'Case closed'),
    ('correction-reasons', 'wrong_record', 1, 'Salah rujukan', 'Wrong referral'),
    ('correction-reasons', 'wrong_outcome', 2, 'Salah hasil', 'Wrong outcome'),
    ('correction-reasons', 'new_information', 3, 'Ada keterangan baru', 'New information'),
    ('correction-reasons', 'wrong_person', 4, 'Salah orang', 'Wrong person'),
    ('correction-reasons', 'duplicate', 5, 'Ganda', 'Duplicate');
INSERT INTO codes (list, code, position, needs_text, label_id, label_en)
SELECT name, 'other', 99, true, 'Lainnya', 'Other' FROM code_lists
WHERE name IN ('failure-reasons', 'hold-reasons', 'forward-reasons', 'withdrawal-reasons', 'correction-reasons');

CREATE TABLE referrals (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    -- Copied from the case: a list asks for them, and they never change.
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C" NOT NULL,
    district_code text COLLATE "C" NOT NULL,
    village_code text COLLATE "C" NOT NULL REFERENCES regions,
    reporter_agency_id uuid NOT NULL REFERENCES agencies,
    volunteer_id uuid REFERENCES volunteers,
    -- Follows the case.
    sensitive boolean NOT NULL,
    sender_agency_id uuid NOT NULL REFERENCES agencies,
    receiver_agency_id uuid NOT NULL REFERENCES source_systems,
    handler_agency_id uuid REFERENCES agencies,
    service text NOT NULL,
    service_list text NOT NULL GENERATED ALWAYS AS ('services') STORED,
    urgency text NOT NULL CHECK (urgency IN ('normal', 'urgent')),
    -- First day of the month in which it was sent, in the zone of its village: what figures count by.
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    status text NOT NULL CHECK (status IN ('submitted', 'received', 'accepted', 'in_progress', 'on_hold', 'completed', 'rejected',
        'failed', 'forwarded', 'withdrawn', 'cancelled', 'expired', 'entered_in_error')),
    status_since timestamptz NOT NULL,
    -- Null: the clock.
    status_agency_id uuid REFERENCES agencies,
    held_from text CHECK (held_from IN ('accepted', 'in_progress')),
    hold_reason text,
    hold_review_on date,
    ended_from text,
    reason_list text,
    reason text,
    outcome text,
    outcome_list text NOT NULL GENERATED ALWAYS AS ('referral-outcomes') STORED,
    served_on date,
    partner_reference text,
    due_on date,
    appointment_at timestamptz,
    forwarded_by uuid REFERENCES agencies,
    previous_referral_id uuid REFERENCES referrals,
    -- Every receiver so far, this one included.
    chain uuid[] NOT NULL CHECK (cardinality(chain) >= 1),
    -- Without an answer by then it expires.
    expires_at timestamptz,
    -- When somebody must do something next: the order of a worklist.
    due_at timestamptz GENERATED ALWAYS AS (CASE
        WHEN status IN ('submitted', 'received') THEN expires_at
        WHEN status IN ('accepted', 'in_progress') THEN coalesce(appointment_at, due_on::timestamp AT TIME ZONE 'UTC')
        WHEN status = 'on_hold' THEN hold_review_on::timestamp AT TIME ZONE 'UTC' END) STORED,
    version integer NOT NULL DEFAULT 1,
    created_by uuid NOT NULL,
    create_request bytea NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (service_list, service) REFERENCES codes (list, code),
    FOREIGN KEY (reason_list, reason) REFERENCES codes (list, code),
    FOREIGN KEY (outcome_list, outcome) REFERENCES codes (list, code),
    CHECK (province_code = left(village_code, 2) AND regency_code = left(village_code, 5)
        AND district_code = left(village_code, 8) AND length(village_code) = 13),
    CHECK ((previous_referral_id IS NULL) = (forwarded_by IS NULL)),
    CHECK ((reason IS NULL) = (reason_list IS NULL)),
    CONSTRAINT referrals_outcome CHECK ((status = 'completed') = (outcome IS NOT NULL)),
    CONSTRAINT referrals_served CHECK (status = 'completed' OR served_on IS NULL),
    CONSTRAINT referrals_reason CHECK ((reason IS NOT NULL) =
        (status IN ('rejected', 'failed', 'forwarded', 'withdrawn', 'cancelled', 'entered_in_error'))),
    CONSTRAINT referrals_ended CHECK (CASE
        WHEN status IN ('submitted', 'received', 'accepted', 'in_progress', 'on_hold') THEN ended_from IS NULL
        WHEN status = 'entered_in_error' THEN ended_from IS NOT NULL AND ended_from <> 'entered_in_error'
        ELSE ended_from IS NOT NULL AND ended_from IN ('submitted', 'received', 'accepted', 'in_progress', 'on_hold') END),
    -- A correction may lead back to on_hold, so what was held stays known until then.
    CONSTRAINT referrals_held CHECK ((held_from IS NOT NULL) = (status = 'on_hold' OR ended_from IS NOT DISTINCT FROM 'on_hold')
        AND (held_from IS NULL) = (hold_reason IS NULL) AND (held_from IS NOT NULL OR hold_review_on IS NULL)),
    CONSTRAINT referrals_expiry CHECK ((expires_at IS NOT NULL) = (status IN ('submitted', 'received')))
);
COMMENT ON COLUMN referrals.handler_agency_id IS 'Who has claimed it, where several branches offer a service.';
COMMENT ON COLUMN referrals.forwarded_by IS 'Receiver of the referral before; the sender stays the first one.';

-- One open referral per case and target.
CREATE UNIQUE INDEX referrals_open_at_target ON referrals (case_id, receiver_agency_id)
    WHERE status IN ('submitted', 'received', 'accepted', 'in_progress', 'on_hold');
CREATE UNIQUE INDEX referrals_partner_reference ON referrals (receiver_agency_id, partner_reference)
    WHERE partner_reference IS NOT NULL AND status <> 'entered_in_error';
-- A forwarded referral has one successor, unless that one was a mistake.
CREATE UNIQUE INDEX referrals_one_successor ON referrals (previous_referral_id) WHERE status <> 'entered_in_error';
CREATE INDEX referrals_by_previous ON referrals (previous_referral_id);
CREATE INDEX referrals_by_case ON referrals (case_id);
CREATE INDEX referrals_newest ON referrals (created_at DESC, id DESC);
CREATE INDEX referrals_received ON referrals (receiver_agency_id, status, created_at DESC, id DESC);
CREATE INDEX referrals_received_newest ON referrals (receiver_agency_id, created_at DESC, id DESC);
CREATE INDEX referrals_sent ON referrals (sender_agency_id, created_at DESC, id DESC);
CREATE INDEX referrals_received_by_due ON referrals (receiver_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_sent_by_due ON referrals (sender_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_by_province ON referrals (province_code, created_at DESC, id DESC);
CREATE INDEX referrals_by_regency ON referrals (regency_code, created_at DESC, id DESC);
CREATE INDEX referrals_by_district ON referrals (district_code, created_at DESC, id DESC);
CREATE INDEX referrals_by_village ON referrals (village_code, created_at DESC, id DESC);
CREATE INDEX referrals_by_volunteer ON referrals (volunteer_id, created_at DESC, id DESC);
CREATE INDEX referrals_by_expiry ON referrals (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX referrals_by_reporter ON referrals (reporter_agency_id);
CREATE INDEX referrals_by_handler ON referrals (handler_agency_id);
CREATE INDEX referrals_by_status_agency ON referrals (status_agency_id);
CREATE INDEX referrals_by_forwarder ON referrals (forwarded_by);
CREATE INDEX referrals_by_service ON referrals (service_list, service);
CREATE INDEX referrals_by_reason ON referrals (reason_list, reason);
CREATE INDEX referrals_by_outcome ON referrals (outcome_list, outcome);

CREATE FUNCTION check_referral_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'submitted' THEN
            RAISE EXCEPTION 'a referral begins as submitted' USING ERRCODE = 'check_violation', CONSTRAINT = 'referrals_move';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF (CASE OLD.status
        WHEN 'submitted' THEN NEW.status IN ('received', 'accepted', 'rejected', 'forwarded', 'withdrawn', 'expired', 'entered_in_error')
        WHEN 'received' THEN NEW.status IN ('accepted', 'rejected', 'forwarded', 'withdrawn', 'expired', 'entered_in_error')
        WHEN 'accepted' THEN NEW.status IN ('in_progress', 'on_hold', 'completed', 'failed', 'forwarded', 'cancelled', 'entered_in_error')
        WHEN 'in_progress' THEN NEW.status IN ('on_hold', 'completed', 'failed', 'cancelled', 'entered_in_error')
        WHEN 'on_hold' THEN NEW.status IN (OLD.held_from, 'failed', 'cancelled', 'entered_in_error')
        WHEN 'rejected' THEN NEW.status IN (OLD.ended_from, 'entered_in_error')
        WHEN 'completed' THEN NEW.status IN (OLD.ended_from, 'entered_in_error')
        WHEN 'failed' THEN NEW.status IN (OLD.ended_from, 'entered_in_error')
        WHEN 'entered_in_error' THEN false
        ELSE NEW.status = 'entered_in_error' END) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'no such move of a referral' USING ERRCODE = 'check_violation', CONSTRAINT = 'referrals_move';
    END IF;
    -- What was set by the move must tell where it came from.
    IF NEW.ended_from IS NOT NULL AND NEW.ended_from <> OLD.status OR NEW.status = 'on_hold' AND OLD.ended_from IS NULL AND NEW.held_from <> OLD.status THEN
        RAISE EXCEPTION 'a move of a referral tells where it came from' USING ERRCODE = 'check_violation', CONSTRAINT = 'referrals_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_move BEFORE INSERT OR UPDATE ON referrals FOR EACH ROW EXECUTE FUNCTION check_referral_move();

CREATE TABLE referral_history (
    id uuid PRIMARY KEY,
    referral_id uuid NOT NULL REFERENCES referrals,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'acknowledge', 'accept', 'reject', 'forward', 'start', 'hold', 'resume', 'complete',
        'fail', 'claim', 'release', 'withdraw', 'cancel', 'expire', 'correct', 'mark-error')),
    from_status text,
    to_status text NOT NULL,
    -- Null: the clock.
    agency_id uuid REFERENCES agencies,
    client_id uuid,
    acting_user text,
    volunteer_id uuid,
    reason text,
    outcome text
);
CREATE INDEX referral_history_by_referral ON referral_history (referral_id, at, id);
CREATE INDEX referral_history_by_agency ON referral_history (agency_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON referral_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was written about the person with a move: shown only to those who see the person.
CREATE TABLE referral_notes (
    history_id uuid PRIMARY KEY REFERENCES referral_history,
    note text NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON referrals TO simpul_service;
GRANT SELECT, INSERT ON referral_history, referral_notes TO simpul_service;
