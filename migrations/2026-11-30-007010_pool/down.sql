SET lock_timeout = '2s';

CREATE UNIQUE INDEX referrals_one_successor ON referrals (previous_referral_id) WHERE status <> 'entered_in_error';
DROP INDEX referrals_one_successor_each;
CREATE INDEX referrals_by_handler ON referrals (handler_agency_id);
DROP INDEX referrals_handled_by_due;
DROP INDEX referrals_handled;
DROP INDEX referrals_handled_newest;
DROP INDEX referrals_in_pool;
ALTER TABLE referrals DROP COLUMN pool_agency_ids;
ALTER TABLE access_state DROP COLUMN parent_agency_id;
ALTER TABLE source_systems DROP COLUMN open_to_branches;
