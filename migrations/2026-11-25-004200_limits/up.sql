-- How often an agency may call, where it is not what every agency may.
SET lock_timeout = '2s';

ALTER TABLE agencies ADD COLUMN rate_limit integer CHECK (rate_limit BETWEEN 1 AND 1000000);
COMMENT ON COLUMN agencies.rate_limit IS 'Requests a minute of all its clients together, on each node; null: as configured.';
ALTER TABLE access_state ADD COLUMN rate_limit integer;
