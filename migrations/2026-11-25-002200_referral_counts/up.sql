-- Figures of referrals. Every change of a referral adds rows of +1 and -1 here, which nobody ever updates, so that no
-- row is hot; a job folds them. A read sums what it finds, folded or not.
SET lock_timeout = '2s';

CREATE TABLE referral_counts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month date NOT NULL,
    province_code text COLLATE "C" NOT NULL,
    regency_code text COLLATE "C" NOT NULL,
    district_code text COLLATE "C" NOT NULL,
    village_code text COLLATE "C" NOT NULL,
    reporter_agency_id uuid NOT NULL,
    volunteer_id uuid,
    sender_agency_id uuid NOT NULL,
    receiver_agency_id uuid NOT NULL,
    service text NOT NULL,
    status text NOT NULL,
    sensitive boolean NOT NULL,
    count integer NOT NULL,
    folded boolean NOT NULL
);
COMMENT ON TABLE referral_counts IS 'Deltas of counts, kept by triggers on referrals and folded by the worker; the columns that decide who sees a referral decide who counts it.';
CREATE INDEX referral_counts_by_province ON referral_counts (province_code, month);
CREATE INDEX referral_counts_by_regency ON referral_counts (regency_code, month);
CREATE INDEX referral_counts_by_village ON referral_counts (village_code, month);
CREATE INDEX referral_counts_by_sender ON referral_counts (sender_agency_id, month);
CREATE INDEX referral_counts_by_receiver ON referral_counts (receiver_agency_id, month);
CREATE INDEX referral_counts_by_volunteer ON referral_counts (volunteer_id, month);
CREATE INDEX referral_counts_unfolded ON referral_counts (id) WHERE NOT folded;

CREATE FUNCTION count_referral(r referrals, delta integer) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO referral_counts (month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
        sender_agency_id, receiver_agency_id, service, status, sensitive, count, folded)
    VALUES (r.month, r.province_code, r.regency_code, r.district_code, r.village_code, r.reporter_agency_id, r.volunteer_id,
        r.sender_agency_id, r.receiver_agency_id, r.service, r.status, r.sensitive, delta, false)
$$;
REVOKE ALL ON FUNCTION count_referral(referrals, integer) FROM PUBLIC;

CREATE FUNCTION count_referrals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM count_referral(OLD, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM count_referral(NEW, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_new AFTER INSERT OR DELETE ON referrals FOR EACH ROW EXECUTE FUNCTION count_referrals();
CREATE TRIGGER count_changed AFTER UPDATE ON referrals FOR EACH ROW
    WHEN ((OLD.status, OLD.sensitive, OLD.service, OLD.volunteer_id, OLD.sender_agency_id, OLD.receiver_agency_id, OLD.reporter_agency_id, OLD.month, OLD.village_code)
        IS DISTINCT FROM (NEW.status, NEW.sensitive, NEW.service, NEW.volunteer_id, NEW.sender_agency_id, NEW.receiver_agency_id, NEW.reporter_agency_id, NEW.month, NEW.village_code))
    EXECUTE FUNCTION count_referrals();

-- Sums up to `most` new deltas into their buckets; returns how many rows it took away. One fold at a time.
CREATE FUNCTION fold_referral_counts(most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    taken bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('fold_referral_counts')) THEN
        RETURN 0;
    END IF;
    WITH new AS MATERIALIZED (
        SELECT * FROM referral_counts WHERE NOT folded ORDER BY id LIMIT most
    ), buckets AS (
        SELECT DISTINCT month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id, service, status, sensitive FROM new
    ), old AS (
        SELECT c.id FROM referral_counts c JOIN buckets b ON c.folded AND c.village_code = b.village_code AND c.month = b.month
            AND c.reporter_agency_id = b.reporter_agency_id AND c.volunteer_id IS NOT DISTINCT FROM b.volunteer_id
            AND c.sender_agency_id = b.sender_agency_id AND c.receiver_agency_id = b.receiver_agency_id
            AND c.service = b.service AND c.status = b.status AND c.sensitive = b.sensitive
    ), gone AS (
        DELETE FROM referral_counts WHERE id IN (SELECT id FROM new UNION ALL SELECT id FROM old) RETURNING *
    ), summed AS (
        INSERT INTO referral_counts (month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
            sender_agency_id, receiver_agency_id, service, status, sensitive, count, folded)
        SELECT month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
            sender_agency_id, receiver_agency_id, service, status, sensitive, sum(count)::integer, true
        FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 HAVING sum(count) <> 0
    )
    SELECT count(*) INTO taken FROM gone;
    RETURN taken;
END $$;
REVOKE ALL ON FUNCTION fold_referral_counts(integer) FROM PUBLIC;

-- What was there before.
INSERT INTO referral_counts (month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
    sender_agency_id, receiver_agency_id, service, status, sensitive, count, folded)
SELECT month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
    sender_agency_id, receiver_agency_id, service, status, sensitive, count(*), true
FROM referrals GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;

GRANT SELECT ON referral_counts TO simpul_service;
GRANT EXECUTE ON FUNCTION fold_referral_counts(integer) TO simpul_service;
