SET lock_timeout = '2s';

DROP INDEX referrals_received_in_state_by_due;
