-- A country's worth of volunteers: psql -v volunteers=500000 -f volunteers.sql, as the superuser, after seed.sql and with its
-- variables. The same rows on every machine; invented people, whose NIK opens with no key. One transaction: all or nothing.
--
-- Row n has ids made of n, as in seed.sql. Words of names are drawn as they occur: the first of the list below in every
-- seventh name, 20,000 rare ones after it, most of which a few people have.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL maintenance_work_mem = '512MB';
-- No row triggers and no look-ups of foreign keys, see seed.sql.
SET LOCAL session_replication_role = replica;

CREATE FUNCTION pg_temp.seeded_id(n bigint, which int) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('0' || to_hex(1700000000000 + n) || '7000800000000000' || lpad(to_hex(which), 4, '0'))::uuid;
-- From 0 to less than 1, the same for the same two numbers.
CREATE FUNCTION pg_temp.drawn(n bigint, what int) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(n, what) & 1073741823) / 1073741824.0::float8;

-- Words as they are written, and after = as platform::names compares them, where that differs.
CREATE TEMP TABLE vocabulary AS
SELECT place, split_part(entry, '=', 1) AS written,
    string_to_array(coalesce(nullif(split_part(entry, '=', 2), ''), entry), ' ') AS words
FROM regexp_split_to_table($list$
siti, muhammad=muhamad, nur, ahmad, abdul, sri, dewi, sari, hidayat, rahman, agus, budi, wati, lestari, rahayu,
wahyuni=wahiuni, fitri, yanti, susanti, setiawan, saputra, putra, putri, indah=inda, ratna, eko, dwi, tri, nurul,
aminah=amina, hasan, rizky=rizki, andi, yuni, kurniawan, santoso, handayani, yulianti, ningsih, maryam=mariam, fatimah=fatima,
hasanah=hasana, khadijah=hadia, aisyah=aisa, ali, umar, usman, yusuf, ibrahim, ismail, ilham, arif, taufik, hendra, heri,
dedi, joko=yoko, bambang, slamet, supriyadi=supriadi, suryadi=suriadi, mulyadi=muliadi, haryanto=harianto, widodo, sutrisno,
suwarno=suarno, sukarno, suharto, susilo, purnomo, wibowo, nugroho, pratama, ramadhan=ramadan, maulana, fauzi, anwar,
syaiful=saiful, zainal, arifin, mansur, marlina, rosita, rosmawati, nurhayati=nur hayati, nuraini=nur aini, nurlela=nur lela,
halimah=halima, salmah=salma, zubaidah=zubaida, rukiyah=rukia, mariana, yuliana, lina, rina, dina, tina, eti, neneng, euis,
asep, dadang, cecep, ujang=uyang, wayan, made, nyoman=nioman, ketut, komang, kadek, gede, putu, gusti, ayu, luh, sihombing,
simanjuntak=simaniuntak, siregar, nasution, lubis, harahap, hutapea, situmorang, sinaga, ginting, sembiring, tarigan,
tanjung=taniung, chaniago=haniago, piliang, daeng=daing, andika, bayu, dimas, rangga=ranga, galih, wahyu=wahiu, wulandari,
anggraini=angraini, permata, kusuma, wijaya=wiaya, mahendra, gunawan, irawan, kurnia, firmansyah=firmansa, hidayah=hidaya,
mustofa, mohammad=muhamad, mochamad=muhamad, moehammad=muhamad, mohamad=muhamad, achmad=ahmad, soekarno=sukarno,
soeharto=suharto, djoko=yoko, tjipto=cipto, joesoef=yusuf, jusuf=yusuf, khairul=hairul, choirul=hairul, fathur=fatur,
syarif=sarif, sjafruddin=safrudin, saefudin=saifudin, abdurrahman=abdul rahman, abdullah=abdula, nasrullah=nasrula, azis,
rahmawati, ernawati, kartini, suryani=suriani, mulyani=muliani, andriani, oktaviani=oktafiani, hasibuan, pardede, manurung,
panjaitan=paniaitan, simbolon, silalahi, napitupulu, christian=kristian, kristina, yohanes, petrus, paulus, maria,
theresia=teresia, fransiskus
$list$, ',\s*') WITH ORDINALITY AS t(word, place), trim(word, E' \n') AS entry;
-- Three of seventy syllables, of which no word of another spelling is made.
INSERT INTO vocabulary
SELECT (SELECT count(*) FROM vocabulary) + n, word, ARRAY[word]
FROM generate_series(1, 20000) n, LATERAL (SELECT string_agg(substr('bcdfgklmnprstz', 1 + syllable / 5, 1)
    || substr('aeiou', 1 + syllable % 5, 1), '' ORDER BY at) AS word
    FROM generate_series(0, 2) at, LATERAL (SELECT n * 7919 % 343000 / (70 ^ at)::int % 70 AS syllable) s) AS made;
CREATE UNIQUE INDEX ON vocabulary (place);
ANALYZE vocabulary;

CREATE TEMP TABLE villages AS
SELECT row_number() OVER (ORDER BY v.code) - 1 AS place, v.code, office.id AS office
FROM regions v JOIN agencies office ON office.kind = 'dinsos_regency' AND office.region_codes[1] = v.regency_code
WHERE v.level = 'village' AND v.last_listed IS NULL;
CREATE UNIQUE INDEX ON villages (place);
ANALYZE villages;

-- One to four words, mostly two or three.
CREATE TEMP TABLE named AS
SELECT n, string_agg(initcap(v.written), ' ' ORDER BY at) AS name,
    array_agg(DISTINCT '=' || v.written) AS written, array_agg(DISTINCT one) AS words
FROM generate_series(0::bigint, :volunteers - 1) n
CROSS JOIN LATERAL generate_series(1, 1 + (ARRAY[0, 1, 1, 1, 1, 1, 2, 2, 2, 3])[1 + (pg_temp.drawn(n, 0) * 10)::int % 10]) at
JOIN vocabulary v ON v.place = floor(exp(pg_temp.drawn(n, at) * ln((SELECT count(*) FROM vocabulary))))::bigint
CROSS JOIN unnest(v.words) one GROUP BY n;
-- A word that is compared as two would stand twice in the name.
UPDATE named SET name = (SELECT string_agg(part, ' ' ORDER BY nth) FROM (SELECT DISTINCT ON (part) part, nth
    FROM regexp_split_to_table(name, ' ') WITH ORDINALITY AS t(part, nth) ORDER BY part, nth) once);

CREATE TEMP TABLE seeded AS
SELECT n, pg_temp.seeded_id(n, 6) AS id, v.code AS village, v.office, name, written || words AS words,
    (ARRAY['candidate', 'verified', 'inactive', 'rejected', 'resigned', 'active'])[least(6, 1 + (pg_temp.drawn(n, 10) * 40)::int)] AS status,
    (ARRAY['none', 'basic', 'basic', 'advanced'])[1 + n % 4] AS level, CASE WHEN n % 3 = 0 THEN 'male' ELSE 'female' END AS sex,
    timestamptz '2023-11-20 02:00Z' + (n * 94608000 / :volunteers) * interval '1 second' AS at,
    date '1960-01-01' + (pg_temp.drawn(n, 11) * 16000)::int AS born
FROM named JOIN villages v ON v.place = n * 7919 % (SELECT count(*) FROM villages);

-- Indexes are made anew afterwards: several times faster than row by row.
CREATE TEMP TABLE dropped AS
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE NOT i.indisprimary AND i.indrelid = ANY (ARRAY['volunteers', 'volunteer_people', 'volunteer_postings',
    'volunteer_history', 'name_words', 'volunteer_figures', 'coverage_figures']::regclass[]);
DO $$ DECLARE i dropped; BEGIN FOR i IN SELECT * FROM dropped LOOP EXECUTE 'DROP INDEX ' || i.name; END LOOP; END $$;

INSERT INTO volunteers (id, status, status_since, status_by, effective_on, ended_from, level, sex, province_code, regency_code,
    district_code, village_code, functions, appointed_year, sk_number, sk_date, sk_official, created_at, updated_at, updated_by, posted_on)
SELECT id, status, at, office, at::date, CASE WHEN status = 'resigned' THEN 'active' END, level, sex, left(village, 2), left(village, 5),
    left(village, 8), village, '{motivation}', 2023, '460/' || n, at::date, 'Kepala Dinas Sosial', at, at, office, at::date
FROM seeded ORDER BY n;

INSERT INTO volunteer_people (volunteer_id, name, folded_name, birth_date, address, phone, education, nik_status, nik, nik_index,
    nik_last_four, nik_warnings, identity_state, search_words, search_version, search_tokens)
SELECT id, name, lower(name), born, 'RT ' || 1 + n % 9, CASE WHEN n % 11 > 0 THEN '+62811' || lpad(n::text, 7, '0') END, 'SLTA',
    'well_formed', decode(repeat(md5(n::text), 2), 'hex') || '\x00'::bytea, sha256(n::text::bytea), lpad((n % 10000)::text, 4, '0'), '{}', 'sole',
    words, 2, name_tokens(words, village)
FROM seeded ORDER BY n;

INSERT INTO volunteer_postings (id, volunteer_id, village_code, valid_from, posted_by, created_at)
SELECT pg_temp.seeded_id(n, 7), id, village, at::date, office, at FROM seeded ORDER BY n;
INSERT INTO volunteer_history (id, volunteer_id, at, action, to_status, effective_on, agency_id)
SELECT pg_temp.seeded_id(n, 8), id, at, 'create', 'candidate', at::date, office FROM seeded ORDER BY n;

INSERT INTO name_words (written, word)
SELECT word LIKE '=%', ltrim(word, '=') FROM (SELECT DISTINCT unnest(words) AS word FROM seeded) w ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- The figures, as their triggers and the folding job would have left them.
DELETE FROM volunteer_figures;
INSERT INTO volunteer_figures (region_code, parent_code, status, level, sex, count, folded)
SELECT r.code, r.parent, v.status, v.level, coalesce(v.sex, 'unknown'), count(*), true
FROM volunteers v CROSS JOIN LATERAL (VALUES ('', NULL), (v.province_code, ''), (v.regency_code, v.province_code),
    (v.district_code, v.regency_code), (v.village_code, v.district_code)) AS r(code, parent)
GROUP BY 1, 2, 3, 4, 5;
DELETE FROM coverage_figures;
INSERT INTO coverage_figures (village_code, active, folded)
SELECT village_code, count(*), true FROM volunteers WHERE status = 'active' GROUP BY 1;

DO $$ DECLARE i dropped; BEGIN FOR i IN SELECT * FROM dropped LOOP EXECUTE i.definition; END LOOP; END $$;

-- That all is done, and with which rows: the last word of the last transaction.
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE bench.seeded AS SELECT :rows::bigint AS rows, :volunteers::bigint AS volunteers, :'digest'::text AS digest;
COMMIT;
VACUUM (ANALYZE);
CHECKPOINT;
