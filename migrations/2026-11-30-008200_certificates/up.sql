-- Certificates of training: numbered without gaps by organiser and year, checked by everyone who has one in hand.
SET lock_timeout = '2s';

CREATE TABLE certificate_numbers (
    organiser_id uuid NOT NULL REFERENCES agencies,
    year smallint NOT NULL CHECK (year BETWEEN 1945 AND 9999),
    last integer NOT NULL CHECK (last > 0),
    PRIMARY KEY (organiser_id, year)
);
COMMENT ON TABLE certificate_numbers IS 'The last serial number given. Read and raised in the transaction that issues: what is rolled back leaves no gap.';

CREATE TABLE certificates (
    id uuid PRIMARY KEY,
    number text COLLATE "C" NOT NULL,
    enrolment_id uuid NOT NULL REFERENCES training_enrolments,
    organiser_id uuid NOT NULL REFERENCES agencies,
    year smallint NOT NULL,
    serial integer NOT NULL CHECK (serial > 0),
    level text NOT NULL CHECK (level IN ('basic', 'advanced', 'other')),
    issued_on date NOT NULL,
    valid_until date,
    earlier_number text,
    signatory_name text,
    signatory_position text,
    state text NOT NULL CHECK (state IN ('valid', 'revoked', 'replaced')),
    state_since timestamptz NOT NULL,
    state_by uuid NOT NULL,
    reason text,
    list text GENERATED ALWAYS AS ('certificate-reasons') STORED,
    note text,
    replaces uuid REFERENCES certificates,
    version integer NOT NULL DEFAULT 1,
    issued_at timestamptz NOT NULL,
    issued_by uuid NOT NULL,
    acting_user text,
    CONSTRAINT certificates_number UNIQUE (number),
    CONSTRAINT certificates_serial UNIQUE (organiser_id, year, serial),
    CHECK (year = extract(year FROM issued_on)),
    CHECK (valid_until >= issued_on),
    CHECK ((signatory_name IS NULL) = (signatory_position IS NULL)),
    CHECK ((state = 'valid') = (reason IS NULL) AND (note IS NULL OR reason IS NOT NULL))
);
-- A person has one seat in an event (training_enrolments_one_seat), and a seat one certificate that holds.
CREATE UNIQUE INDEX certificates_one_valid ON certificates (enrolment_id) WHERE state = 'valid';
CREATE INDEX certificates_by_enrolment ON certificates (enrolment_id, serial);
CREATE UNIQUE INDEX certificates_by_replaced ON certificates (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX certificates_by_reason ON certificates (list, reason);
COMMENT ON COLUMN certificates.number IS 'BT-<region of the organiser>-<year>-<serial>-<check part>: the check part is random, so that nobody finds a number by counting.';
COMMENT ON COLUMN certificates.valid_until IS 'Last day; null: for good.';
COMMENT ON COLUMN certificates.earlier_number IS 'Of a certificate from before: what stands on its paper.';
COMMENT ON COLUMN certificates.replaces IS 'The one that this one was issued in place of.';

INSERT INTO code_lists (name, label_id, label_en) VALUES ('certificate-reasons', 'Alasan pencabutan atau penggantian sertifikat', 'Reasons for revoking or replacing a certificate');
-- group_code is the action that a code belongs to; none: any.
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('certificate-reasons', 'entered_by_mistake', 1, NULL, false, 'Salah catat', 'Entered by mistake'),
    ('certificate-reasons', 'name_corrected', 2, 'reissue', false, 'Perbaikan nama', 'Name corrected'),
    ('certificate-reasons', 'lost_or_damaged', 3, 'reissue', false, 'Hilang atau rusak', 'Lost or damaged'),
    ('certificate-reasons', 'result_corrected', 4, 'revoke', false, 'Hasil pelatihan dikoreksi', 'Result of the training corrected'),
    ('certificate-reasons', 'misused', 5, 'revoke', false, 'Disalahgunakan', 'Misused'),
    ('certificate-reasons', 'other', 99, NULL, true, 'Lainnya', 'Other');
ALTER TABLE certificates ADD FOREIGN KEY (list, reason) REFERENCES codes (list, code);

-- What a certificate says does not change; it only ceases to hold, once.
CREATE FUNCTION certificates_only_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'valid' OR NOT EXISTS (
            SELECT 1 FROM training_enrolments e JOIN training_events t ON t.id = e.event_id
            WHERE e.id = NEW.enrolment_id AND e.result = 'passed' AND t.state = 'completed' AND t.organiser_id = NEW.organiser_id) THEN
            RAISE EXCEPTION 'no certificate for who has not passed' USING ERRCODE = 'check_violation', CONSTRAINT = 'certificates_of_who_passed';
        END IF;
    ELSIF OLD.state <> 'valid' OR NEW.state = 'valid' OR (NEW.id, NEW.number, NEW.enrolment_id, NEW.organiser_id, NEW.year, NEW.serial, NEW.level,
            NEW.issued_on, NEW.issued_at) IS DISTINCT FROM (OLD.id, OLD.number, OLD.enrolment_id, OLD.organiser_id, OLD.year, OLD.serial, OLD.level,
            OLD.issued_on, OLD.issued_at) OR NEW.valid_until IS DISTINCT FROM OLD.valid_until THEN
        RAISE EXCEPTION 'a certificate is not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'certificates_only_end';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_end BEFORE INSERT OR UPDATE ON certificates FOR EACH ROW EXECUTE FUNCTION certificates_only_end();

-- A result that is taken back takes its certificate along in the same transaction.
CREATE FUNCTION training_enrolments_keep_certified() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM certificates c JOIN training_enrolments e ON e.id = c.enrolment_id
        WHERE c.enrolment_id = NEW.id AND c.state = 'valid' AND e.result IS DISTINCT FROM 'passed') THEN
        RAISE EXCEPTION 'the certificate still holds' USING ERRCODE = 'check_violation', CONSTRAINT = 'training_enrolments_certified';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER keep_certified AFTER UPDATE OF result ON training_enrolments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.result = 'passed' AND NEW.result IS DISTINCT FROM 'passed') EXECUTE FUNCTION training_enrolments_keep_certified();

ALTER TABLE training_enrolment_history
    ADD COLUMN certificate_id uuid REFERENCES certificates,
    ADD CONSTRAINT training_enrolment_history_certificate CHECK ((action IN ('issue', 'reissue', 'revoke')) = (certificate_id IS NOT NULL));
CREATE INDEX training_enrolment_history_by_certificate ON training_enrolment_history (certificate_id) WHERE certificate_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON certificate_numbers, certificates TO simpul_service;
