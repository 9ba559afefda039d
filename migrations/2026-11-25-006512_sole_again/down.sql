-- What was put right stays.
SET lock_timeout = '2s';
