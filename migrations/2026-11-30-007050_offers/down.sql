SET lock_timeout = '2s';

DROP TABLE service_forms;
ALTER TABLE source_system_services
    DROP COLUMN acknowledge_urgent_minutes,
    DROP COLUMN acknowledge_days,
    DROP COLUMN answer_urgent_days,
    DROP COLUMN answer_days,
    DROP COLUMN complete_urgent_days,
    DROP COLUMN complete_days,
    DROP COLUMN capacity_note,
    DROP COLUMN fields_schema;
ALTER TABLE source_systems
    DROP COLUMN time_zone,
    DROP COLUMN working_days,
    DROP COLUMN opens_at,
    DROP COLUMN closes_at,
    DROP COLUMN capacity_note;
