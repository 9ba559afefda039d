-- What a source system offers: when it works, how soon it acts, what it has room for, and which fields a service asks for.
SET lock_timeout = '2s';

-- A constant default writes no row anew.
ALTER TABLE source_systems
    ADD COLUMN time_zone text NOT NULL DEFAULT 'Asia/Jakarta' CHECK (time_zone IN ('Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura')),
    ADD COLUMN working_days smallint[] NOT NULL DEFAULT '{1,2,3,4,5}'
        CHECK (cardinality(working_days) BETWEEN 1 AND 7 AND working_days <@ '{1,2,3,4,5,6,7}'),
    ADD COLUMN opens_at time NOT NULL DEFAULT '08:00',
    ADD COLUMN closes_at time NOT NULL DEFAULT '16:00',
    ADD COLUMN capacity_note text,
    ADD CHECK (opens_at < closes_at);
COMMENT ON COLUMN source_systems.working_days IS 'ISO weekdays: 1 is Monday.';
COMMENT ON COLUMN source_systems.opens_at IS 'In its own zone, as closes_at is.';
COMMENT ON COLUMN source_systems.capacity_note IS 'For everyone to read: of nobody.';
UPDATE source_systems SET time_zone = CASE
        WHEN left(region_codes[1], 2) IN ('51', '52', '53', '63', '64', '65', '71', '72', '73', '74', '75', '76') THEN 'Asia/Makassar'
        ELSE 'Asia/Jayapura' END
    WHERE left(region_codes[1], 2) IN ('51', '52', '53', '63', '64', '65', '71', '72', '73', '74', '75', '76', '81', '82',
        '91', '92', '93', '94', '95', '96', '97');

-- What is not said is as everywhere (src/agencies/offers.rs).
ALTER TABLE source_system_services
    ADD COLUMN acknowledge_urgent_minutes integer CHECK (acknowledge_urgent_minutes > 0),
    ADD COLUMN acknowledge_days smallint CHECK (acknowledge_days > 0),
    ADD COLUMN answer_urgent_days smallint CHECK (answer_urgent_days > 0),
    ADD COLUMN answer_days smallint CHECK (answer_days > 0),
    ADD COLUMN complete_urgent_days smallint CHECK (complete_urgent_days > 0),
    ADD COLUMN complete_days smallint CHECK (complete_days > 0),
    ADD COLUMN capacity_note text,
    ADD COLUMN fields_schema jsonb CHECK (jsonb_typeof(fields_schema) = 'object');
COMMENT ON COLUMN source_system_services.acknowledge_urgent_minutes IS 'By the clock, day and night; all days are working days.';
COMMENT ON COLUMN source_system_services.fields_schema IS 'JSON Schema of its own fields of the service, instead of the national one.';

-- What a service asks for everywhere, unless the source system asks for something else.
CREATE TABLE service_forms (
    service text PRIMARY KEY,
    list text GENERATED ALWAYS AS ('services') STORED,
    fields_schema jsonb NOT NULL CHECK (jsonb_typeof(fields_schema) = 'object'),
    FOREIGN KEY (list, service) REFERENCES codes (list, code)
);
CREATE INDEX service_forms_by_service ON service_forms (list, service);
GRANT SELECT ON service_forms TO simpul_service;

-- Permensos 3/2026: the participant, the card, when and why, and the letters of the facility and of the Dinsos.
INSERT INTO service_forms (service, fields_schema) VALUES ('pbi_jk_reactivation', '{
    "type": "object",
    "title": "Reaktivasi PBI-JK",
    "properties": {
        "participant_name": {"type": "string", "title": "Nama peserta", "minLength": 1, "maxLength": 200},
        "participant_nik": {"type": "string", "title": "NIK peserta", "pattern": "^[0-9]{16}$", "x-identity": "nik"},
        "card_number": {"type": "string", "title": "Nomor kartu JKN", "pattern": "^[0-9]{13}$", "x-identity": "card"},
        "deactivated_on": {"type": "string", "title": "Tanggal nonaktif", "format": "date"},
        "reason": {"type": "string", "title": "Alasan reaktivasi", "enum": ["chronic", "catastrophic", "emergency", "newborn", "other"]},
        "facility_name": {"type": "string", "title": "Nama fasilitas kesehatan", "minLength": 1, "maxLength": 200},
        "letter_number": {"type": "string", "title": "Nomor surat fasilitas kesehatan", "minLength": 1, "maxLength": 100},
        "recommendation_number": {"type": "string", "title": "Nomor surat keterangan Dinas Sosial", "minLength": 1, "maxLength": 100}
    },
    "required": ["participant_name", "participant_nik", "reason", "facility_name", "letter_number"],
    "additionalProperties": false
}');
