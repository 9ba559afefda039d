SET lock_timeout = '2s';

-- The former version has no words for what the clock did.
ALTER TABLE referral_history DISABLE TRIGGER append_only;
DELETE FROM referral_history WHERE action IN ('remind', 'escalate');
ALTER TABLE referral_history ENABLE TRIGGER append_only;
ALTER TABLE referral_history DROP CONSTRAINT referral_history_action_check;
ALTER TABLE referral_history ADD CONSTRAINT referral_history_action_check CHECK (action IN ('create', 'acknowledge', 'accept', 'reject', 'forward', 'start', 'hold', 'resume', 'complete',
    'fail', 'claim', 'release', 'withdraw', 'cancel', 'expire', 'correct', 'mark-error'));
ALTER TABLE referrals DROP COLUMN due_at;
ALTER TABLE referrals ADD COLUMN due_at timestamptz GENERATED ALWAYS AS (CASE
    WHEN status IN ('submitted', 'received') THEN expires_at
    WHEN status IN ('accepted', 'in_progress') THEN coalesce(appointment_at, due_on::timestamp AT TIME ZONE 'UTC')
    WHEN status = 'on_hold' THEN hold_review_on::timestamp AT TIME ZONE 'UTC' END) STORED;
CREATE INDEX referrals_received_by_due ON referrals (receiver_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_sent_by_due ON referrals (sender_agency_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_received_in_state_by_due ON referrals (receiver_agency_id, status, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX referrals_handled_by_due ON referrals (handler_agency_id, due_at, id) WHERE handler_agency_id IS NOT NULL AND due_at IS NOT NULL;
ALTER TABLE referrals DROP COLUMN escalated_at, DROP COLUMN escalation_level, DROP COLUMN reminders, DROP COLUMN tick_at,
    DROP COLUMN escalate_3_at, DROP COLUMN escalate_2_at, DROP COLUMN remind_at, DROP COLUMN complete_by, DROP COLUMN answer_by,
    DROP COLUMN acknowledge_by;
DROP TABLE holidays;
