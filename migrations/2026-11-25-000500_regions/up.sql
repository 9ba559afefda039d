-- Province to village, current and retired (Kepmendagri 300.2.2-2138/2025); filled by `simpul regions load`.
SET lock_timeout = '2s';

CREATE TABLE regions (
    code text COLLATE "C" PRIMARY KEY CHECK (code ~ '^[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?$'),
    name text NOT NULL,
    folded_name text NOT NULL,
    level text NOT NULL CHECK (level IN ('province', 'regency', 'district', 'village')),
    kind text NOT NULL CHECK (kind IN ('provinsi', 'kabupaten', 'kota', 'kecamatan', 'kelurahan', 'desa', 'desa_adat')),
    parent_code text COLLATE "C" REFERENCES regions,
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C",
    district_code text COLLATE "C",
    postal_code text CHECK (postal_code ~ '^[0-9]{5}$'),
    -- Year of the last list that had it; null = current.
    last_listed smallint,
    time_zone text NOT NULL CHECK (time_zone IN ('Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura')),
    CHECK (level = CASE length(code) WHEN 2 THEN 'province' WHEN 5 THEN 'regency' WHEN 8 THEN 'district' ELSE 'village' END),
    CHECK (parent_code IS NOT DISTINCT FROM CASE length(code) WHEN 2 THEN NULL WHEN 13 THEN left(code, 8) ELSE left(code, length(code) - 3) END),
    CHECK (province_code = left(code, 2)),
    CHECK (regency_code IS NOT DISTINCT FROM CASE WHEN length(code) >= 5 THEN left(code, 5) END),
    CHECK (district_code IS NOT DISTINCT FROM CASE WHEN length(code) >= 8 THEN left(code, 8) END)
);
COMMENT ON COLUMN regions.folded_name IS 'As names are compared: lower case, no diacritics (platform::text::fold).';
CREATE INDEX regions_by_parent ON regions (parent_code, code);
CREATE INDEX regions_by_province ON regions (province_code, code);
CREATE INDEX regions_by_regency ON regions (regency_code, code);
CREATE INDEX regions_by_name ON regions USING gin (folded_name gin_trgm_ops);

GRANT SELECT, INSERT, UPDATE ON regions TO simpul_service;
