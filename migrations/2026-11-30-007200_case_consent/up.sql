-- What a caseworker needs to know of a case beside its need: how the person may be reached, who agreed and how, what the
-- phone's clock said; and that a consent may be withdrawn, which restricts the case.
SET lock_timeout = '2s';

ALTER TABLE case_people
    ADD COLUMN age_band text CHECK (age_band IN ('0-4', '5-11', '12-17', '18-24', '25-44', '45-59', '60+')),
    ADD COLUMN guardian_relation text CHECK (guardian_relation IN ('spouse', 'parent', 'child', 'sibling', 'grandparent', 'other_family', 'neighbour', 'caregiver', 'legal_guardian', 'other')),
    ADD COLUMN contact_name text,
    ADD COLUMN contact_phone text,
    ADD COLUMN contact_relation text CHECK (contact_relation IN ('spouse', 'parent', 'child', 'sibling', 'grandparent', 'other_family', 'neighbour', 'caregiver', 'legal_guardian', 'other')),
    ADD CONSTRAINT case_people_one_age CHECK (num_nonnulls(birth_date, age_estimate, age_band) <= 1),
    ADD CONSTRAINT case_people_guardian CHECK (guardian_relation IS NULL OR guardian_name IS NOT NULL),
    ADD CONSTRAINT case_people_contact CHECK (contact_name IS NOT NULL OR (contact_phone IS NULL AND contact_relation IS NULL));

ALTER TABLE cases
    ADD COLUMN do_not_contact boolean NOT NULL DEFAULT false,
    ADD COLUMN consent_relation text CHECK (consent_relation IN ('spouse', 'parent', 'child', 'sibling', 'grandparent', 'other_family', 'neighbour', 'caregiver', 'legal_guardian', 'other')),
    ADD COLUMN consent_method text CHECK (consent_method IN ('spoken', 'written', 'thumbprint', 'video', 'audio', 'sign_language')),
    ADD COLUMN consent_withdrawn_on date,
    ADD COLUMN recorded_at timestamptz,
    DROP CONSTRAINT cases_state_check,
    ADD CONSTRAINT cases_state_check CHECK (state IN ('open', 'closed', 'restricted')),
    DROP CONSTRAINT cases_consent_by_check,
    ADD CONSTRAINT cases_consent_by_check CHECK (consent_by IN ('person', 'guardian', 'representative')),
    -- A restricted case keeps how it had ended, if it had.
    DROP CONSTRAINT cases_closed,
    ADD CONSTRAINT cases_closed CHECK ((outcome IS NULL) = (closed_at IS NULL)
        AND CASE state WHEN 'closed' THEN outcome IS NOT NULL WHEN 'open' THEN outcome IS NULL ELSE true END),
    ADD CONSTRAINT cases_restricted CHECK ((state = 'restricted') = (consent_withdrawn_on IS NOT NULL)
        AND (state <> 'restricted' OR lawful_basis = 'consent')),
    -- Consents of before were written down without how they were given.
    ADD CONSTRAINT cases_consent_given CHECK ((consent_by IS NOT NULL OR (consent_relation IS NULL AND consent_method IS NULL))
        AND (consent_by IS DISTINCT FROM 'person' OR consent_relation IS NULL)
        AND (consent_by IS DISTINCT FROM 'representative' OR consent_relation IS NOT NULL));
COMMENT ON COLUMN cases.do_not_contact IS 'Whoever contacts the person may endanger them. Working data: shown to everyone who sees the case or a referral of it.';
COMMENT ON COLUMN cases.recorded_at IS 'The time of the device on which it was written down, whatever its clock said; created_at is the service''s.';

ALTER TABLE case_history DROP CONSTRAINT case_history_action_check,
    ADD CONSTRAINT case_history_action_check CHECK (action IN ('create', 'update', 'close', 'reopen', 'withdraw-consent', 'restore-consent'));

-- The same moves as cases::rules: what is not among them, nobody can write.
CREATE FUNCTION cases_move_as_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' THEN
            RAISE EXCEPTION 'a case begins open' USING ERRCODE = 'check_violation', CONSTRAINT = 'cases_move';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state <> OLD.state AND (CASE OLD.state
        WHEN 'open' THEN NEW.state IN ('closed', 'restricted')
        WHEN 'closed' THEN NEW.state IN ('open', 'restricted')
        -- back to where it stood
        WHEN 'restricted' THEN NEW.state = CASE WHEN OLD.closed_at IS NULL THEN 'open' ELSE 'closed' END
        ELSE false END) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'no such move of a case' USING ERRCODE = 'check_violation', CONSTRAINT = 'cases_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_move BEFORE INSERT OR UPDATE OF state ON cases FOR EACH ROW EXECUTE FUNCTION cases_move_as_listed();

-- Follows the case, as sensitive does: what a referral shows of the person is decided by its own row.
ALTER TABLE referrals ADD COLUMN restricted boolean NOT NULL DEFAULT false;
ALTER TABLE referrals ADD CONSTRAINT referrals_restricted CHECK (NOT restricted
    OR status NOT IN ('submitted', 'received', 'accepted', 'in_progress', 'on_hold'));

-- A phone asks for what has changed of its own.
CREATE INDEX cases_by_volunteer_changed ON cases (volunteer_id, updated_at);
