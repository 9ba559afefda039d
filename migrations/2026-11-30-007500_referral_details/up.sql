-- What was told in the fields of a service, and what is known of the person's eligibility. Personal data: apart from the
-- referral's working data, and sealed as a whole.
SET lock_timeout = '2s';

CREATE TABLE referral_details (
    referral_id uuid PRIMARY KEY REFERENCES referrals,
    sealed bytea NOT NULL,
    -- Blind indexes of the numbers among them that name a person.
    numbers bytea[] NOT NULL
);
CREATE INDEX referral_details_by_number ON referral_details USING gin (numbers);
COMMENT ON COLUMN referral_details.sealed IS 'JSON, encrypted: see src/referrals/details.rs.';
GRANT SELECT, INSERT, UPDATE ON referral_details TO simpul_service;

-- The sender completes what it told while the referral is open.
ALTER TABLE referral_history DROP CONSTRAINT referral_history_action_check;
ALTER TABLE referral_history ADD CONSTRAINT referral_history_action_check CHECK (action IN ('acknowledge', 'accept', 'reject', 'forward', 'start',
    'hold', 'resume', 'complete', 'fail', 'claim', 'release', 'withdraw', 'cancel', 'expire', 'correct', 'mark-error', 'create', 'remind', 'escalate',
    'update')) NOT VALID;
ALTER TABLE referral_history VALIDATE CONSTRAINT referral_history_action_check;

-- A name is masked as a number is.
UPDATE service_forms SET fields_schema = jsonb_set(fields_schema, '{properties,participant_name,x-identity}', '"name"')
WHERE service = 'pbi_jk_reactivation';
