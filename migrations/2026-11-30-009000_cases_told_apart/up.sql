-- Two cases that lie in the queue of those that are alike can be said to be two; a case can be given to another volunteer.
SET lock_timeout = '2s';

ALTER TABLE case_history DROP CONSTRAINT case_history_action_check,
    ADD CONSTRAINT case_history_action_check
        CHECK (action IN ('create', 'update', 'close', 'reopen', 'withdraw-consent', 'restore-consent', 'distinguish', 'assign'));
COMMENT ON TABLE case_distinctions IS 'That two cases are two, by what was said of them last. What was said before is in case_history.';
GRANT UPDATE (reason, at, agency_id, client_id) ON case_distinctions TO simpul_service;
