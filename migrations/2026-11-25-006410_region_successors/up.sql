-- What became of a code that was retired: filled by `simpul regions load --successors`. Several for a region that was split.
SET lock_timeout = '2s';

CREATE TABLE region_successors (
    old_code text COLLATE "C" NOT NULL REFERENCES regions,
    new_code text COLLATE "C" NOT NULL REFERENCES regions,
    PRIMARY KEY (old_code, new_code),
    CHECK (old_code <> new_code AND length(old_code) = length(new_code))
);
CREATE INDEX region_successors_by_new ON region_successors (new_code);

GRANT SELECT, INSERT ON region_successors TO simpul_service;
