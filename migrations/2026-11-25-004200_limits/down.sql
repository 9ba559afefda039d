SET lock_timeout = '2s';
ALTER TABLE access_state DROP COLUMN rate_limit;
ALTER TABLE agencies DROP COLUMN rate_limit;
