SET lock_timeout = '2s';

DROP INDEX referrals_by_partner_reference;
DROP INDEX referrals_partner_reference;
CREATE UNIQUE INDEX referrals_partner_reference ON referrals (receiver_agency_id, partner_reference)
    WHERE partner_reference IS NOT NULL AND status <> 'entered_in_error';
DROP INDEX cases_open_reported;
DROP INDEX cases_open_of_regency;
DROP INDEX cases_open_of_province;
DROP INDEX referrals_open_by_case;
DROP INDEX referrals_claimable_changed;
DROP INDEX referrals_claimable_by_due;
DROP INDEX referrals_claimable;
CREATE INDEX referrals_in_pool ON referrals USING gin (pool_agency_ids) WHERE handler_agency_id IS NULL;
ALTER TABLE referrals DROP COLUMN claimable;
DROP INDEX referrals_in_state;
DROP INDEX referrals_changed;
DROP INDEX referrals_of_volunteer_changed;
DROP INDEX referrals_handled_changed;
DROP INDEX referrals_received_changed;
ALTER TABLE referrals DROP COLUMN due_at;
ALTER TABLE referrals ADD COLUMN due_at timestamptz GENERATED ALWAYS AS (CASE
    WHEN status = 'submitted' THEN coalesce(acknowledge_by, answer_by, expires_at)
    WHEN status = 'received' THEN coalesce(answer_by, expires_at)
    WHEN status IN ('accepted', 'in_progress') THEN coalesce(appointment_at, due_on::timestamp AT TIME ZONE 'UTC', complete_by)
    WHEN status = 'on_hold' THEN hold_review_on::timestamp AT TIME ZONE 'UTC' END) STORED;
CREATE INDEX referrals_received_by_due ON referrals (receiver_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_sent_by_due ON referrals (sender_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_received_in_state_by_due ON referrals (receiver_agency_id, status, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_handled_by_due ON referrals (handler_agency_id, due_at, id) WHERE handler_agency_id IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX referrals_of_province_by_due ON referrals (province_code, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_of_regency_by_due ON referrals (regency_code, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_of_volunteer_by_due ON referrals (volunteer_id, due_at, id) WHERE due_at IS NOT NULL;
ALTER TABLE referrals DROP CONSTRAINT referrals_looked_at_again;
DROP FUNCTION day_ends;
