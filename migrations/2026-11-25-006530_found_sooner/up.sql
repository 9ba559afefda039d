SET lock_timeout = '2s';

-- Whom a supervisor accompanies, asked without saying of which agency.
CREATE INDEX volunteers_by_officer ON volunteers (supervisor_officer, id) WHERE supervisor_officer IS NOT NULL;

-- Words that have many groups of three letters in common with one of these, as written with = in front. The planner expects one word
-- in a hundred to be like any other and would rather compare all: here it may not.
CREATE FUNCTION words_alike(typed text[]) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE SET enable_seqscan = off AS $$
    SELECT coalesce(array_agg(CASE WHEN n.written THEN '=' ELSE '' END || n.word), '{}')
    FROM unnest(typed) one, name_words n WHERE n.word % one
$$;
