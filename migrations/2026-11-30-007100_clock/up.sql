-- By when a source system has to answer, and what happens if it does not.
SET lock_timeout = '2s';

CREATE TABLE holidays (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day date NOT NULL,
    -- Null: the whole country.
    region_code text COLLATE "C" REFERENCES regions,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('holiday', 'joint_leave')),
    UNIQUE NULLS NOT DISTINCT (day, region_code)
);
COMMENT ON TABLE holidays IS 'Days on which nobody works; loaded a year at a time by `simpul holidays load`.';
CREATE INDEX holidays_by_region ON holidays (region_code);
GRANT SELECT, INSERT, DELETE ON holidays TO simpul_service;

ALTER TABLE referrals
    ADD COLUMN acknowledge_by timestamptz,
    ADD COLUMN answer_by timestamptz,
    ADD COLUMN complete_by timestamptz,
    ADD COLUMN remind_at timestamptz,
    ADD COLUMN escalate_2_at timestamptz,
    ADD COLUMN escalate_3_at timestamptz,
    ADD COLUMN tick_at timestamptz,
    ADD COLUMN reminders smallint NOT NULL DEFAULT 0 CHECK (reminders BETWEEN 0 AND 2),
    ADD COLUMN escalation_level smallint NOT NULL DEFAULT 0 CHECK (escalation_level BETWEEN 0 AND 3),
    ADD COLUMN escalated_at timestamptz,
    ADD CONSTRAINT referrals_escalated CHECK ((escalation_level > 0) = (escalated_at IS NOT NULL)),
    ADD CONSTRAINT referrals_hurried CHECK (status IN ('submitted', 'received') OR (escalation_level = 0 AND reminders = 0)),
    -- Only what waits for an answer is hurried.
    ADD CONSTRAINT referrals_ticking CHECK (status IN ('submitted', 'received') OR tick_at IS NULL);
COMMENT ON COLUMN referrals.answer_by IS 'By the calendar of the receiver when it was sent; a later change of the calendar does not move it.';
COMMENT ON COLUMN referrals.tick_at IS 'When the clock does the next thing: reminds or escalates.';
CREATE INDEX referrals_by_tick ON referrals (tick_at) WHERE tick_at IS NOT NULL;
-- Worklists: what is open is little beside what has ended.
CREATE INDEX referrals_escalated_received ON referrals (receiver_agency_id, created_at DESC, id DESC) WHERE escalated_at IS NOT NULL;
CREATE INDEX referrals_escalated_sent ON referrals (sender_agency_id, created_at DESC, id DESC) WHERE escalated_at IS NOT NULL;
CREATE INDEX referrals_escalated_of_regency ON referrals (regency_code, created_at DESC, id DESC) WHERE escalated_at IS NOT NULL;
CREATE INDEX referrals_escalated_of_province ON referrals (province_code, created_at DESC, id DESC) WHERE escalated_at IS NOT NULL;
CREATE INDEX referrals_open_sent ON referrals (sender_agency_id, status) WHERE ended_from IS NULL;
CREATE INDEX referrals_open_of_regency ON referrals (regency_code, status) WHERE ended_from IS NULL;
CREATE INDEX referrals_open_of_province ON referrals (province_code, status) WHERE ended_from IS NULL;
CREATE INDEX referrals_ended_received ON referrals (receiver_agency_id, status_since) WHERE ended_from IS NOT NULL;
CREATE INDEX referrals_ended_sent ON referrals (sender_agency_id, status_since) WHERE ended_from IS NOT NULL;
CREATE INDEX referrals_ended_of_regency ON referrals (regency_code, status_since) WHERE ended_from IS NOT NULL;
CREATE INDEX referrals_ended_of_province ON referrals (province_code, status_since) WHERE ended_from IS NOT NULL;

-- What must be done next is no longer to expire.
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

ALTER TABLE referral_history DROP CONSTRAINT referral_history_action_check;
ALTER TABLE referral_history ADD CONSTRAINT referral_history_action_check CHECK (action IN ('acknowledge', 'accept', 'reject', 'forward', 'start',
    'hold', 'resume', 'complete', 'fail', 'claim', 'release', 'withdraw', 'cancel', 'expire', 'correct', 'mark-error', 'create', 'remind', 'escalate'));
