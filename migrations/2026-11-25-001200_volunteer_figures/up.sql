-- Figures about volunteers, kept by a trigger in the transaction of the change. The trigger only inserts, so that no two
-- changes wait for each other; a job folds what was inserted into one row for each combination. A figure is the sum of
-- all its rows, folded or not, read in one statement.
SET lock_timeout = '2s';

CREATE TABLE volunteer_figures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL,
    parent_code text COLLATE "C",
    status text NOT NULL CHECK (status IN ('candidate', 'verified', 'selected', 'active', 'inactive', 'rejected',
        'resigned', 'dismissed', 'deceased')),
    level text NOT NULL CHECK (level IN ('none', 'basic', 'advanced')),
    sex text NOT NULL CHECK (sex IN ('female', 'male', 'unknown')),
    count integer NOT NULL,
    folded boolean NOT NULL
);
COMMENT ON COLUMN volunteer_figures.region_code IS 'Each volunteer counts for its village and all above; empty: the country.';
CREATE INDEX volunteer_figures_by_region ON volunteer_figures (region_code, status, level, sex) INCLUDE (count);
CREATE INDEX volunteer_figures_by_parent ON volunteer_figures (parent_code, region_code) INCLUDE (status, level, sex, count);
CREATE INDEX volunteer_figures_unfolded ON volunteer_figures (id) WHERE NOT folded;

-- Active volunteers of each village that has or had any.
CREATE TABLE coverage_figures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    village_code text COLLATE "C" NOT NULL,
    active integer NOT NULL,
    folded boolean NOT NULL
);
CREATE INDEX coverage_figures_by_village ON coverage_figures (village_code) INCLUDE (active);
CREATE INDEX coverage_figures_unfolded ON coverage_figures (id) WHERE NOT folded;

-- Every current village with its active volunteers.
CREATE VIEW village_coverage AS
    SELECT r.code AS village_code, r.name, r.province_code, r.regency_code, r.district_code,
        coalesce(sum(f.active), 0) AS active
    FROM regions r LEFT JOIN coverage_figures f ON f.village_code = r.code
    WHERE r.level = 'village' AND r.last_listed IS NULL
    GROUP BY r.code;

-- Owner's right: the service itself can write no figure.
CREATE FUNCTION count_volunteers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v volunteers;
    delta integer;
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.status, OLD.level, OLD.sex, OLD.village_code)
        IS NOT DISTINCT FROM (NEW.status, NEW.level, NEW.sex, NEW.village_code) THEN
        RETURN NULL;
    END IF;
    FOREACH delta IN ARRAY CASE TG_OP WHEN 'INSERT' THEN '{1}'::integer[] WHEN 'DELETE' THEN '{-1}' ELSE '{-1,1}' END LOOP
        IF delta = 1 THEN v := NEW; ELSE v := OLD; END IF;
        INSERT INTO volunteer_figures (region_code, parent_code, status, level, sex, count, folded)
        SELECT r.code, r.parent, v.status, v.level, coalesce(v.sex, 'unknown'), delta, false
        FROM (VALUES ('', NULL), (v.province_code, ''), (v.regency_code, v.province_code),
            (v.district_code, v.regency_code), (v.village_code, v.district_code)) AS r(code, parent);
        IF v.status = 'active' THEN
            INSERT INTO coverage_figures (village_code, active, folded) VALUES (v.village_code, delta, false);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER count_volunteers AFTER INSERT OR UPDATE OR DELETE ON volunteers
    FOR EACH ROW EXECUTE FUNCTION count_volunteers();

-- Sums up what belongs together; returns how many rows it took. Two at once are harmless: a row is taken by one of them.
CREATE FUNCTION fold_volunteer_figures() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    taken bigint;
    villages bigint;
BEGIN
    WITH due AS (
        SELECT DISTINCT region_code, status, level, sex FROM volunteer_figures WHERE NOT folded
    ), taken AS (
        DELETE FROM volunteer_figures f USING due d
        WHERE f.region_code = d.region_code AND f.status = d.status AND f.level = d.level AND f.sex = d.sex
        RETURNING f.*
    ), summed AS (
        INSERT INTO volunteer_figures (region_code, parent_code, status, level, sex, count, folded)
        SELECT region_code, parent_code, status, level, sex, sum(count), true FROM taken
        GROUP BY region_code, parent_code, status, level, sex HAVING sum(count) <> 0
    )
    SELECT count(*) INTO taken FROM taken;
    WITH due AS (
        SELECT DISTINCT village_code FROM coverage_figures WHERE NOT folded
    ), taken AS (
        DELETE FROM coverage_figures f USING due d WHERE f.village_code = d.village_code RETURNING f.*
    ), summed AS (
        INSERT INTO coverage_figures (village_code, active, folded)
        SELECT village_code, sum(active), true FROM taken GROUP BY village_code HAVING sum(active) <> 0
    )
    SELECT count(*) INTO villages FROM taken;
    RETURN taken + villages;
END $$;

-- Those who are registered already.
INSERT INTO volunteer_figures (region_code, parent_code, status, level, sex, count, folded)
    SELECT r.code, r.parent, v.status, v.level, coalesce(v.sex, 'unknown'), count(*), true
    FROM volunteers v CROSS JOIN LATERAL (VALUES ('', NULL), (v.province_code, ''), (v.regency_code, v.province_code),
        (v.district_code, v.regency_code), (v.village_code, v.district_code)) AS r(code, parent)
    GROUP BY 1, 2, 3, 4, 5;
INSERT INTO coverage_figures (village_code, active, folded)
    SELECT village_code, count(*), true FROM volunteers WHERE status = 'active' GROUP BY 1;

GRANT SELECT ON volunteer_figures, coverage_figures, village_coverage TO simpul_service;
