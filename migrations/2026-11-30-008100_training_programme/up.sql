-- What a training event offers and who is asked to come: speakers, materials, who pays, invited villages; and its year.
SET lock_timeout = '2s';

INSERT INTO code_lists (name, label_id, label_en) VALUES ('training-cost-sources', 'Sumber biaya pelatihan', 'Who pays for a training event');
INSERT INTO codes (list, code, position, group_code, needs_text, label_id, label_en) VALUES
    ('training-cost-sources', 'regency_budget', 1, NULL, false, 'APBD kabupaten/kota', 'Budget of the regency or city'),
    ('training-cost-sources', 'province_budget', 2, NULL, false, 'APBD provinsi', 'Budget of the province'),
    ('training-cost-sources', 'state_budget', 3, NULL, false, 'APBN', 'State budget'),
    ('training-cost-sources', 'village_fund', 4, NULL, false, 'Dana desa', 'Village fund'),
    ('training-cost-sources', 'bpjs', 5, NULL, false, 'BPJS', 'BPJS'),
    ('training-cost-sources', 'company', 6, NULL, false, 'Tanggung jawab sosial perusahaan', 'Social responsibility of a company'),
    ('training-cost-sources', 'participants', 7, NULL, false, 'Swadaya peserta', 'Participants themselves'),
    ('training-cost-sources', 'other', 99, NULL, true, 'Lainnya', 'Other');

ALTER TABLE training_events
    ADD COLUMN speakers jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN materials jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN cost_source text,
    ADD COLUMN cost_list text GENERATED ALWAYS AS ('training-cost-sources') STORED,
    ADD COLUMN cost_note text,
    ADD COLUMN by_invitation boolean NOT NULL DEFAULT false,
    ADD COLUMN year smallint NOT NULL DEFAULT 0,
    ADD COLUMN sessions smallint NOT NULL DEFAULT 0,
    ADD CONSTRAINT training_events_speakers CHECK (jsonb_typeof(speakers) = 'array'),
    ADD CONSTRAINT training_events_materials CHECK (jsonb_typeof(materials) = 'array'),
    ADD CHECK (cost_note IS NULL OR cost_source IS NOT NULL),
    ADD FOREIGN KEY (cost_list, cost_source) REFERENCES codes (list, code);
COMMENT ON COLUMN training_events.speakers IS '[{agency, name, topic}]: who speaks, name and topic as far as known.';
COMMENT ON COLUMN training_events.speaker_agencies IS 'The agencies of the speakers, each once, in their order.';
COMMENT ON COLUMN training_events.materials IS '[{title, url}].';
COMMENT ON COLUMN training_events.by_invitation IS 'Only villages that are invited enrol, and phones of volunteers posted there.';
COMMENT ON COLUMN training_events.year IS 'Of the start, in the zone of its region: what figures are told by. Kept by a trigger.';
COMMENT ON COLUMN training_events.sessions IS 'How many there are; kept by the trigger on training_sessions.';
UPDATE training_events SET
    speakers = coalesce((SELECT jsonb_agg(jsonb_build_object('agency', agency, 'name', NULL, 'topic', NULL) ORDER BY place)
        FROM unnest(speaker_agencies) WITH ORDINALITY AS s (agency, place)), '[]'),
    year = extract(year FROM starts_at AT TIME ZONE (SELECT time_zone FROM regions WHERE code = region_code));
UPDATE training_events SET sessions = (SELECT count(*) FROM training_sessions WHERE event_id = id);

CREATE FUNCTION training_events_year() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.year := extract(year FROM NEW.starts_at AT TIME ZONE (SELECT time_zone FROM regions WHERE code = NEW.region_code));
    RETURN NEW;
END $$;
CREATE TRIGGER year BEFORE INSERT OR UPDATE OF starts_at ON training_events FOR EACH ROW EXECUTE FUNCTION training_events_year();

CREATE FUNCTION training_sessions_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE training_events SET sessions = sessions + 1 WHERE id = NEW.event_id;
    ELSE
        UPDATE training_events SET sessions = sessions - 1 WHERE id = OLD.event_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_sessions AFTER INSERT OR DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION training_sessions_count();
CREATE INDEX training_events_by_cost ON training_events (cost_list, cost_source);

CREATE TABLE training_invitations (
    event_id uuid NOT NULL REFERENCES training_events,
    village_code text COLLATE "C" NOT NULL REFERENCES regions,
    invited_at timestamptz NOT NULL,
    invited_by uuid NOT NULL,
    acting_user text,
    PRIMARY KEY (event_id, village_code)
);
COMMENT ON TABLE training_invitations IS 'Villages that are asked to send volunteers.';
CREATE INDEX training_invitations_by_village ON training_invitations (village_code, event_id);

GRANT SELECT, INSERT, DELETE ON training_invitations TO simpul_service;
