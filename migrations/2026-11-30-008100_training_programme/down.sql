SET lock_timeout = '2s';

DROP TABLE training_invitations;
DROP TRIGGER count_sessions ON training_sessions;
DROP FUNCTION training_sessions_count();
DROP TRIGGER year ON training_events;
DROP FUNCTION training_events_year();
ALTER TABLE training_events DROP COLUMN speakers, DROP COLUMN materials, DROP COLUMN cost_list, DROP COLUMN cost_source, DROP COLUMN cost_note,
    DROP COLUMN by_invitation, DROP COLUMN year, DROP COLUMN sessions;
DELETE FROM codes WHERE list = 'training-cost-sources';
DELETE FROM code_lists WHERE name = 'training-cost-sources';
