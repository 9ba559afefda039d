SET lock_timeout = '2s';
DROP INDEX cases_by_volunteer_changed;
ALTER TABLE referrals DROP COLUMN restricted;
DROP TRIGGER check_move ON cases;
DROP FUNCTION cases_move_as_listed();
ALTER TABLE case_history DROP CONSTRAINT case_history_action_check,
    ADD CONSTRAINT case_history_action_check CHECK (action IN ('create', 'close', 'reopen'));
ALTER TABLE cases
    DROP CONSTRAINT cases_consent_given,
    DROP CONSTRAINT cases_restricted,
    DROP CONSTRAINT cases_closed,
    ADD CONSTRAINT cases_closed CHECK ((state = 'closed') = (outcome IS NOT NULL) AND (state = 'closed') = (closed_at IS NOT NULL)),
    DROP CONSTRAINT cases_consent_by_check,
    ADD CONSTRAINT cases_consent_by_check CHECK (consent_by IN ('person', 'guardian')),
    DROP CONSTRAINT cases_state_check,
    ADD CONSTRAINT cases_state_check CHECK (state IN ('open', 'closed')),
    DROP COLUMN recorded_at,
    DROP COLUMN consent_withdrawn_on,
    DROP COLUMN consent_method,
    DROP COLUMN consent_relation,
    DROP COLUMN do_not_contact;
ALTER TABLE case_people
    DROP CONSTRAINT case_people_contact,
    DROP CONSTRAINT case_people_guardian,
    DROP CONSTRAINT case_people_one_age,
    DROP COLUMN contact_relation,
    DROP COLUMN contact_phone,
    DROP COLUMN contact_name,
    DROP COLUMN guardian_relation,
    DROP COLUMN age_band;
