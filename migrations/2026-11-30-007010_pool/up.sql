-- A referral to a body with branches may be open to those that offer the service there: whichever claims it works on it.
-- And a referral may be passed on to several at once.
SET lock_timeout = '2s';

ALTER TABLE source_systems ADD COLUMN open_to_branches boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN source_systems.open_to_branches IS 'What is addressed to it may be claimed by those of its branches that offer the service there.';

ALTER TABLE access_state ADD COLUMN parent_agency_id uuid;
COMMENT ON COLUMN access_state.parent_agency_id IS 'Of a branch: what is addressed there may be open to it.';
UPDATE access_state SET parent_agency_id = agencies.parent_id FROM agencies WHERE agencies.id = agency_id AND parent_id IS NOT NULL;

ALTER TABLE referrals ADD COLUMN pool_agency_ids uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN referrals.pool_agency_ids IS 'Branches that may claim it; none once it has ended unclaimed.';

-- What waits in a pool is little; what a branch has claimed is kept for ever and read in order.
CREATE INDEX referrals_in_pool ON referrals USING gin (pool_agency_ids) WHERE handler_agency_id IS NULL;
CREATE INDEX referrals_handled_newest ON referrals (handler_agency_id, created_at DESC, id DESC) WHERE handler_agency_id IS NOT NULL;
CREATE INDEX referrals_handled ON referrals (handler_agency_id, status, created_at DESC, id DESC) WHERE handler_agency_id IS NOT NULL;
CREATE INDEX referrals_handled_by_due ON referrals (handler_agency_id, due_at, id) WHERE handler_agency_id IS NOT NULL AND due_at IS NOT NULL;
DROP INDEX referrals_by_handler;

-- One successor at each target.
CREATE UNIQUE INDEX referrals_one_successor_each ON referrals (previous_referral_id, receiver_agency_id) WHERE status <> 'entered_in_error';
DROP INDEX referrals_one_successor;
