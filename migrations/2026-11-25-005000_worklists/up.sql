-- What waits for an agency in one state, by when it is due: read in this order, and no further than the page.
SET lock_timeout = '2s';

CREATE INDEX referrals_received_in_state_by_due ON referrals (receiver_agency_id, status, due_at, id) WHERE due_at IS NOT NULL;
