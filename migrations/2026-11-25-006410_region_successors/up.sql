-- What became of a code that was retired: filled by `simpul regions load --successors`. Several for a region that was split.
SET lock_timeout = '2s';

CREATE TABLE region_successors (
    old_code text COLLATE "C" NOT NULL REFERENCES regions,
    new_code text COLLATE "C" NOT NULL REFERENCES regions,
    PRIMARY KEY (old_code, new_code),
    CHECK (old_code <> new_code AND length(old_code) = length(new_code))
);
CREATE INDEX region_successors_by_new ON region_successors (new_code);

-- Those that are no longer are few; current ones of a name are looked for within a province.
CREATE INDEX regions_retired ON regions (code) WHERE last_listed IS NOT NULL;
CREATE INDEX regions_namesakes ON regions (province_code, folded_name) WHERE last_listed IS NULL;

GRANT SELECT, INSERT ON region_successors TO simpul_service;
