SET lock_timeout = '2s';

REVOKE UPDATE (reason, at, agency_id, client_id) ON case_distinctions FROM simpul_service;
COMMENT ON TABLE case_distinctions IS NULL;
ALTER TABLE case_history DROP CONSTRAINT case_history_action_check,
    ADD CONSTRAINT case_history_action_check
        CHECK (action IN ('create', 'update', 'close', 'reopen', 'withdraw-consent', 'restore-consent')) NOT VALID;
