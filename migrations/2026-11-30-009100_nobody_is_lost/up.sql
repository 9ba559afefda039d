-- What nobody looks at is looked at: what is on hold, cases without a referral, and what was changed since.
SET lock_timeout = '2s';

-- The end of a day, by the clocks of a province: simpul::regions::rules::TimeZone.
CREATE FUNCTION day_ends(day date, province text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (day + 1)::timestamp AT TIME ZONE 'UTC' - make_interval(hours => CASE
        WHEN province BETWEEN '51' AND '53' OR province BETWEEN '63' AND '65' OR province BETWEEN '71' AND '76' THEN 8
        WHEN province BETWEEN '81' AND '82' OR province BETWEEN '91' AND '97' THEN 9
        ELSE 7 END);

-- What is on hold is looked at again.
UPDATE referrals SET hold_review_on = (status_since + interval '7 hours')::date + 14
    WHERE status = 'on_hold' AND hold_review_on IS NULL;
ALTER TABLE referrals ADD CONSTRAINT referrals_looked_at_again CHECK (status <> 'on_hold' OR hold_review_on IS NOT NULL);

-- Whoever promised a day has that day. And what branches may claim is little beside the rest. The table is written anew once for both.
ALTER TABLE referrals DROP COLUMN due_at;
ALTER TABLE referrals ADD COLUMN due_at timestamptz GENERATED ALWAYS AS (CASE
    WHEN status = 'submitted' THEN coalesce(acknowledge_by, answer_by, expires_at)
    WHEN status = 'received' THEN coalesce(answer_by, expires_at)
    WHEN status IN ('accepted', 'in_progress') THEN coalesce(appointment_at, day_ends(due_on, province_code), complete_by)
    WHEN status = 'on_hold' THEN day_ends(hold_review_on, province_code) END) STORED,
    ADD COLUMN claimable boolean NOT NULL GENERATED ALWAYS AS (handler_agency_id IS NULL AND pool_agency_ids <> '{}') STORED;
CREATE INDEX referrals_received_by_due ON referrals (receiver_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_sent_by_due ON referrals (sender_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_received_in_state_by_due ON referrals (receiver_agency_id, status, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_handled_by_due ON referrals (handler_agency_id, due_at, id) WHERE handler_agency_id IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX referrals_of_province_by_due ON referrals (province_code, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_of_regency_by_due ON referrals (regency_code, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_of_volunteer_by_due ON referrals (volunteer_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_by_due ON referrals (due_at, id) WHERE due_at IS NOT NULL;

-- What may be claimed is read in the order of a list: by what its arrays hold it would be sorted.
DROP INDEX referrals_in_pool;
CREATE INDEX referrals_claimable ON referrals (created_at DESC, id DESC) WHERE claimable;
CREATE INDEX referrals_claimable_by_due ON referrals (due_at, id) WHERE claimable AND due_at IS NOT NULL;
CREATE INDEX referrals_claimable_changed ON referrals (updated_at, id) WHERE claimable;

-- What was changed since, in the order of the changes.
CREATE INDEX referrals_received_changed ON referrals (receiver_agency_id, updated_at, id);
CREATE INDEX referrals_handled_changed ON referrals (handler_agency_id, updated_at, id) WHERE handler_agency_id IS NOT NULL;
CREATE INDEX referrals_of_volunteer_changed ON referrals (volunteer_id, updated_at, id);
CREATE INDEX referrals_changed ON referrals (updated_at, id);
-- What the whole country has in a state.
CREATE INDEX referrals_in_state ON referrals (status, created_at DESC, id DESC);

-- Cases for which nothing is under way.
CREATE INDEX referrals_open_by_case ON referrals (case_id) WHERE ended_from IS NULL;
CREATE INDEX cases_open_of_province ON cases (province_code, created_at DESC, id DESC) WHERE closed_at IS NULL;
CREATE INDEX cases_open_of_regency ON cases (regency_code, created_at DESC, id DESC) WHERE closed_at IS NULL;
CREATE INDEX cases_open_reported ON cases (reporter_agency_id, created_at DESC, id DESC) WHERE closed_at IS NULL;

-- A partner's number is of who uses it: the branch that has claimed the referral, or who it is addressed to.
DROP INDEX referrals_partner_reference;
CREATE UNIQUE INDEX referrals_partner_reference ON referrals (coalesce(handler_agency_id, receiver_agency_id), partner_reference)
    WHERE partner_reference IS NOT NULL AND status <> 'entered_in_error';
CREATE INDEX referrals_by_partner_reference ON referrals (partner_reference) WHERE partner_reference IS NOT NULL;
