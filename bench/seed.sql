-- A country's worth of referrals beside the rows of the demo: psql -v rows=1000000 -f seed.sql, as the superuser, on the
-- database of a demo that runs. The same rows on every machine; invented people, no NIK. One transaction: all or nothing.
--
-- Row n has ids made of n (`seeded_id`), so that a load generator can name a random row by drawing a number, and its
-- kind is n modulo 20: what is asked of whom and what became of it (`kinds`).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL maintenance_work_mem = '512MB';
-- No row triggers and no look-ups of foreign keys: every key below comes from the table that it points to, and what the
-- triggers would have counted is counted, and compared, at the end. CHECKs hold as ever.
SET LOCAL session_replication_role = replica;

-- A UUIDv7 of the n-th millisecond after November 2023; `which` tells the tables apart.
CREATE FUNCTION pg_temp.seeded_id(n bigint, which int) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('0' || to_hex(1700000000000 + n) || '7000800000000000' || lpad(to_hex(which), 4, '0'))::uuid;

-- Every province and regency gets a social office that asks and is asked; the demo has a few of them.
CREATE TEMP TABLE missing AS
SELECT code, level, name, pg_temp.seeded_id(row_number() OVER (ORDER BY code), 9) AS id
FROM regions WHERE level IN ('province', 'regency') AND last_listed IS NULL
    AND NOT EXISTS (SELECT FROM agencies WHERE kind LIKE 'dinsos%' AND region_codes[1] = code);
INSERT INTO agencies (id, kind, name, region_codes, state, scopes, created_at, updated_at)
SELECT id, 'dinsos_' || level, 'Dinas Sosial ' || name, ARRAY[code], 'active', '{}', '2023-11-01', '2023-11-01' FROM missing;
INSERT INTO source_systems (agency_id, may_forward, region_codes, created_at, updated_at)
SELECT id, true, ARRAY[code], '2023-11-01', '2023-11-01' FROM missing;

-- What is asked of whom, and what became of it.
CREATE TEMP TABLE kinds (kind int, target text, service text, status text, ended_from text, reason_list text, reason text, outcome text);
INSERT INTO kinds VALUES
    (0, 'bpjs', 'pbi_jk_reactivation', 'submitted', NULL, NULL, NULL, NULL),
    (1, 'bpjs', 'pbi_jk_reactivation', 'received', NULL, NULL, NULL, NULL),
    (2, 'bpjs', 'pbi_jk_reactivation', 'accepted', NULL, NULL, NULL, NULL),
    (3, 'bpjs', 'bpjs_registration', 'in_progress', NULL, NULL, NULL, NULL),
    (4, 'bpjs', 'pbi_jk_reactivation', 'completed', 'accepted', NULL, NULL, 'membership_active'),
    (5, 'bpjs', 'pbi_jk_reactivation', 'completed', 'accepted', NULL, NULL, 'membership_active'),
    (6, 'bpjs', 'bpjs_registration', 'completed', 'in_progress', NULL, NULL, 'membership_active'),
    (7, 'bpjs', 'pbi_jk_reactivation', 'completed', 'in_progress', NULL, NULL, 'not_eligible'),
    (8, 'bpjs', 'pbi_jk_reactivation', 'rejected', 'received', 'decline-reasons', 'not_in_dtsen', NULL),
    (9, 'branch', 'pbi_jk_reactivation', 'received', NULL, NULL, NULL, NULL),
    (10, 'branch', 'pbi_jk_reactivation', 'completed', 'accepted', NULL, NULL, 'membership_active'),
    (11, 'office', 'neglected_elder_care', 'submitted', NULL, NULL, NULL, NULL),
    (12, 'office', 'neglected_elder_care', 'accepted', NULL, NULL, NULL, NULL),
    (13, 'office', 'emergency_aid', 'on_hold', NULL, NULL, NULL, NULL),
    (14, 'office', 'neglected_elder_care', 'completed', 'accepted', NULL, NULL, 'service_provided'),
    (15, 'office', 'emergency_aid', 'completed', 'in_progress', NULL, NULL, 'aid_received'),
    (16, 'office', 'dtsen_registration', 'completed', 'accepted', NULL, NULL, 'service_provided'),
    (17, 'office', 'uninhabitable_house', 'failed', 'accepted', 'failure-reasons', 'quota_exhausted', NULL),
    (18, 'office', 'neglected_elder_care', 'withdrawn', 'submitted', 'withdrawal-reasons', 'need_met_otherwise', NULL),
    (19, 'province', 'neglected_elder_care', 'completed', 'in_progress', NULL, NULL, 'service_provided');

CREATE TEMP TABLE villages AS
SELECT row_number() OVER (ORDER BY v.code) - 1 AS place, v.code, office.id AS office, province.id AS province,
    (SELECT id FROM volunteers WHERE village_code = v.code ORDER BY id LIMIT 1) AS volunteer
FROM regions v
JOIN agencies office ON office.kind = 'dinsos_regency' AND office.region_codes[1] = v.regency_code
JOIN agencies province ON province.kind = 'dinsos_province' AND province.region_codes[1] = v.province_code
WHERE v.level = 'village' AND v.last_listed IS NULL;
CREATE UNIQUE INDEX ON villages (place);
ANALYZE villages;

-- Three years, row after row; two large primes scatter them over the country.
CREATE TEMP TABLE drawn AS
WITH bpjs AS (
    SELECT p.id, array_agg(c.id ORDER BY c.id) AS branches FROM agencies p JOIN agencies c ON c.parent_id = p.id
    WHERE p.kind = 'bpjs_kesehatan' AND p.parent_id IS NULL GROUP BY p.id
), parts AS (
    SELECT n, n % 20 AS kind, timestamptz '2023-11-20 02:00Z' + (n * 94608000 / :rows) * interval '1 second' AS at,
        ((n / 20) * 7919 + (n % 20) * 104729) % (SELECT count(*) FROM villages) AS place
    FROM generate_series(0::bigint, :rows - 1) n
)
SELECT n, at, v.code AS village, v.volunteer, k.*,
    CASE target WHEN 'office' THEN v.province ELSE v.office END AS sender,
    CASE target WHEN 'bpjs' THEN bpjs.id WHEN 'office' THEN v.office WHEN 'province' THEN v.province
        ELSE bpjs.branches[1 + n / 20 % cardinality(bpjs.branches)] END AS receiver,
    -- A hundredth of what BPJS has not answered its branches may claim.
    CASE WHEN kind IN (0, 1) AND n / 20 % 100 = 7 THEN bpjs.branches ELSE '{}' END AS pool
FROM parts JOIN kinds k USING (kind) JOIN villages v USING (place), bpjs ORDER BY n;

-- Indexes are made anew afterwards: several times faster than row by row.
CREATE TEMP TABLE dropped AS
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE NOT i.indisprimary AND i.indrelid = ANY (ARRAY['cases', 'case_people', 'case_history', 'referrals',
    'referral_history', 'referral_counts']::regclass[]);
DO $$ DECLARE i dropped; BEGIN FOR i IN SELECT * FROM dropped LOOP EXECUTE 'DROP INDEX ' || i.name; END LOOP; END $$;

-- Of those whose referral has ended a twentieth is open: for whom nothing is under way.
INSERT INTO cases (id, number, state, outcome, closed_at, province_code, regency_code, district_code, village_code, reporter_agency_id,
    volunteer_id, ppks, sensitive, urgency, lawful_basis, state_since, state_agency_id, created_by, create_request, created_at, updated_at)
SELECT pg_temp.seeded_id(n, 1), format('KS-%s-%s-%s', replace(left(village, 5), '.', ''), extract(year FROM at), 1000000 + n),
    CASE WHEN over THEN 'closed' ELSE 'open' END, CASE WHEN over THEN 'need_met' END, CASE WHEN over THEN at + interval '3 days' END,
    left(village, 2), left(village, 5), left(village, 8), village, sender, volunteer,
    CASE WHEN n % 9 = 0 THEN '{PPKS-09,PPKS-24}'::text[] ELSE '{PPKS-24}' END, n % 9 = 0,
    CASE WHEN n % 7 = 0 THEN 'urgent' ELSE 'normal' END, 'public_task', at, sender, sender, '\x', at, at
FROM drawn, LATERAL (SELECT ended_from IS NOT NULL AND n / 20 % 20 <> 0 AS over) ended ORDER BY n;

-- By which names are found, roughly as the service makes it of them, with the version of the demo's: a job would make them anew.
INSERT INTO case_people (id, case_id, regency_code, name, name_key, name_version, sex, age_estimate, age_estimated_on, nik_status,
    address, need)
SELECT pg_temp.seeded_id(n, 2), pg_temp.seeded_id(n, 1), left(village, 5), first || ' ' || last,
    lower(least(first, last) || ' ' || greatest(first, last)), (SELECT max(name_version) FROM case_people),
    CASE WHEN n % 2 = 0 THEN 'female' ELSE 'male' END, 20 + n % 60, at::date, 'unknown', 'RT ' || 1 + n % 9,
    'Sakit dan tidak lagi mampu bekerja; kepesertaan jaminan kesehatan tidak aktif, perlu didampingi.'
FROM drawn, LATERAL (SELECT
    (ARRAY['Siti', 'Ahmad', 'Nurlela', 'Hasan', 'Salamah', 'Zainal', 'Rukiyah', 'Darman'])[1 + n % 8] AS first,
    (ARRAY['Rahmah', 'Saputra', 'Sari', 'Basri', 'Utami', 'Abidin', 'Lestari'])[1 + n / 8 % 7] AS last) name ORDER BY n;

-- What waits, waits for long: the job that ends referrals without an answer is not what is measured.
INSERT INTO referrals (id, case_id, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
    sensitive, sender_agency_id, receiver_agency_id, pool_agency_ids, service, urgency, month, status, status_since, status_agency_id, held_from,
    hold_reason, hold_review_on, ended_from, reason_list, reason, outcome, due_on, chain, expires_at, acknowledge_by, answer_by, reminders,
    escalation_level, escalated_at, version, created_by, create_request, created_at, updated_at)
SELECT pg_temp.seeded_id(n, 3), pg_temp.seeded_id(n, 1), left(village, 2), left(village, 5), left(village, 8), village, sender, volunteer,
    n % 9 = 0, sender, receiver, pool, service, CASE WHEN n % 7 = 0 THEN 'urgent' ELSE 'normal' END,
    date_trunc('month', at AT TIME ZONE r.time_zone)::date, status, at + interval '2 days',
    CASE WHEN status IN ('submitted', 'withdrawn') THEN sender ELSE receiver END,
    CASE WHEN status = 'on_hold' THEN 'accepted' END, CASE WHEN status = 'on_hold' THEN 'waiting_for_documents' END,
    CASE WHEN status = 'on_hold' THEN at::date + 30 END, ended_from, reason_list, reason, outcome, CASE WHEN status IN ('accepted', 'in_progress') THEN at::date + 30 END,
    ARRAY[receiver], CASE WHEN status IN ('submitted', 'received') THEN timestamptz '2100-01-01Z' + n * interval '1 second' END,
    -- A tenth of what waits is late, and a third of that was escalated.
    CASE WHEN status = 'submitted' THEN CASE WHEN n / 20 % 10 = 0 THEN at ELSE timestamptz '2099-01-01Z' END + interval '1 day' END,
    CASE WHEN status IN ('submitted', 'received') THEN CASE WHEN n / 20 % 10 = 0 THEN at ELSE timestamptz '2099-01-01Z' END + interval '3 days' END,
    CASE WHEN status IN ('submitted', 'received') AND n / 20 % 10 = 0 THEN 2 ELSE 0 END,
    CASE WHEN status IN ('submitted', 'received') AND n / 20 % 30 = 0 THEN 1 ELSE 0 END,
    CASE WHEN status IN ('submitted', 'received') AND n / 20 % 30 = 0 THEN at + interval '3 days' END,
    2, sender, '\x', at, at + interval '2 days'
FROM drawn JOIN regions r ON r.code = village ORDER BY n;

INSERT INTO case_history (id, case_id, at, action, to_state, agency_id, client_id)
SELECT pg_temp.seeded_id(n, 4), pg_temp.seeded_id(n, 1), at, 'create', 'open', sender, sender FROM drawn ORDER BY n;
INSERT INTO referral_history (id, referral_id, at, action, to_status, agency_id, client_id)
SELECT pg_temp.seeded_id(n, 5), pg_temp.seeded_id(n, 3), at, 'create', 'submitted', sender, sender FROM drawn ORDER BY n;

INSERT INTO case_numbers (regency_code, year, last)
SELECT left(code, 5), year, 1000000 + :rows FROM villages, generate_series(2023, 2026) year GROUP BY 1, 2
ON CONFLICT (regency_code, year) DO UPDATE SET last = excluded.last;

-- The figures, as their triggers and the folding job would have left them; then both are compared.
DELETE FROM referral_counts;
INSERT INTO referral_counts (month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
    sender_agency_id, receiver_agency_id, service, status, sensitive, count, folded)
SELECT month, province_code, regency_code, district_code, village_code, reporter_agency_id, volunteer_id,
    sender_agency_id, receiver_agency_id, service, status, sensitive, count(*), true
FROM referrals GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;
DO $$
DECLARE wrong bigint;
BEGIN
    WITH counted AS (
        SELECT month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id, service, status, sensitive, count
        FROM referral_counts
        UNION ALL
        SELECT month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id, service, status, sensitive, -1
        FROM referrals
    ), apart AS (SELECT FROM counted GROUP BY month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id,
        service, status, sensitive HAVING sum(count) <> 0)
    SELECT count(*) INTO wrong FROM apart;
    IF wrong > 0 THEN
        RAISE EXCEPTION 'the figures differ from the referrals in % buckets', wrong;
    END IF;
END $$;

DO $$ DECLARE i dropped; BEGIN FOR i IN SELECT * FROM dropped LOOP EXECUTE i.definition; END LOOP; END $$;
COMMIT;
