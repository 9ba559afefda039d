UPDATE service_forms SET fields_schema = fields_schema #- '{properties,participant_name,x-identity}' WHERE service = 'pbi_jk_reactivation';
ALTER TABLE referral_history DROP CONSTRAINT referral_history_action_check;
ALTER TABLE referral_history ADD CONSTRAINT referral_history_action_check CHECK (action IN ('acknowledge', 'accept', 'reject', 'forward', 'start',
    'hold', 'resume', 'complete', 'fail', 'claim', 'release', 'withdraw', 'cancel', 'expire', 'correct', 'mark-error', 'create', 'remind', 'escalate'));
DROP TABLE referral_details;
