-- Finding volunteers by name. One index answers who has all the words that are asked for, within a region: each person's row
-- holds the words of its name and the regions of its posting as tokens.
SET lock_timeout = '2s';

ALTER TABLE volunteer_people
    ADD COLUMN search_words text[] NOT NULL DEFAULT '{}',
    ADD COLUMN search_version smallint NOT NULL DEFAULT 0,
    ADD COLUMN search_tokens text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN volunteer_people.search_words IS
    'Words of the name: as written, with = in front, and as compared (platform::names); written by the service.';
COMMENT ON COLUMN volunteer_people.search_version IS
    'By which rules the words were made; those of former ones, 0 among them, are made anew by a job.';
COMMENT ON COLUMN volunteer_people.search_tokens IS
    'What the index holds: the words, their first letters (si*), how many were written (#2), the regions (@17.06); kept by triggers.';

-- All words that occur, so that what is typed in part or wrongly is first made into words.
CREATE TABLE name_words (
    written boolean NOT NULL,
    word text COLLATE "C" NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (written, word)
);
COMMENT ON TABLE name_words IS 'Words of names, without whose they are; one that nobody has any more goes within days.';
COMMENT ON COLUMN name_words.written IS 'As somebody wrote it; false: as names are compared.';
CREATE INDEX name_words_alike ON name_words USING gin (word gin_trgm_ops);
CREATE INDEX name_words_by_age ON name_words (checked_at);

-- Owner's right: the service itself writes no word.
CREATE FUNCTION remember_name_words(words text[]) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- Held, so that none of them is swept before this is committed; all in one order, so that no two wait for each other.
    PERFORM 1 FROM name_words n WHERE (n.written, n.word) IN
        (SELECT w LIKE '=%', ltrim(w, '=') FROM unnest(words) w) ORDER BY n.written, n.word FOR KEY SHARE;
    INSERT INTO name_words (written, word)
        SELECT DISTINCT w LIKE '=%', ltrim(w, '=') FROM unnest(words) w ORDER BY 1, 2 ON CONFLICT DO NOTHING;
END $$;

-- Removes words that nobody has, looking at those not looked at for a day; returns how many it looked at.
CREATE FUNCTION sweep_name_words(most integer, at timestamptz) RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    due name_words[];
BEGIN
    SELECT array_agg(n) INTO due FROM (SELECT n FROM name_words n WHERE n.checked_at < at - interval '1 day'
        ORDER BY n.checked_at LIMIT most FOR UPDATE SKIP LOCKED) AS locked(n);
    -- A statement of its own: it sees what was committed before the words were locked.
    DELETE FROM name_words n USING unnest(due) d WHERE n.written = d.written AND n.word = d.word AND NOT EXISTS
        (SELECT FROM volunteer_people p WHERE p.search_tokens @> ARRAY[CASE WHEN d.written THEN '=' ELSE '' END || d.word]);
    UPDATE name_words n SET checked_at = at FROM unnest(due) d WHERE n.written = d.written AND n.word = d.word;
    RETURN coalesce(cardinality(due), 0);
END $$;

CREATE FUNCTION name_tokens(words text[], village text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT array_agg(DISTINCT token) FROM (
        SELECT w FROM unnest(words) w
        UNION ALL
        -- Of more letters there are so few words that they are looked up in name_words.
        SELECT left(ltrim(w, '='), letters) || '*' FROM unnest(words) w, generate_series(1, 3) letters
        WHERE length(ltrim(w, '=')) >= letters
        UNION ALL
        SELECT '#' || count(*) FROM unnest(words) w WHERE w LIKE '=%'
        UNION ALL
        SELECT '@' || left(village, places) FROM unnest(ARRAY[2, 5, 8, 13]) places) AS t(token));

CREATE FUNCTION keep_name_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.name, NEW.search_words, NEW.search_version) = (OLD.name, OLD.search_words, OLD.search_version) THEN
            RETURN NEW;
        END IF;
        -- A former version of the service knows nothing of the words.
        IF NEW.name <> OLD.name AND NEW.search_words = OLD.search_words THEN
            NEW.search_version := 0;
        END IF;
    END IF;
    NEW.search_tokens := name_tokens(NEW.search_words, (SELECT village_code FROM volunteers WHERE id = NEW.volunteer_id));
    PERFORM remember_name_words(NEW.search_words);
    RETURN NEW;
END $$;
CREATE TRIGGER keep_name_tokens BEFORE INSERT OR UPDATE OF name, search_words, search_version ON volunteer_people
    FOR EACH ROW EXECUTE FUNCTION keep_name_tokens();

CREATE FUNCTION move_name_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE volunteer_people SET search_tokens = name_tokens(search_words, NEW.village_code) WHERE volunteer_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_name_tokens AFTER UPDATE OF village_code ON volunteers
    FOR EACH ROW WHEN (OLD.village_code <> NEW.village_code) EXECUTE FUNCTION move_name_tokens();

-- Without a list of what is yet to be indexed: every search would have to read it.
CREATE INDEX volunteer_people_by_tokens ON volunteer_people USING gin (search_tokens) WITH (fastupdate = off);
CREATE INDEX volunteer_people_by_search_version ON volunteer_people (search_version);

GRANT SELECT ON name_words TO simpul_service;
