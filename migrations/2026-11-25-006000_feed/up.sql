-- The feed (GET /v1/changes): which rows may be served already, where a reader stands, who sees a row, how long it
-- is kept.
SET lock_timeout = '2s';

-- One row: the last change that is no longer kept. A cursor that stands before it has missed something.
CREATE TABLE changes_swept (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xid xid8 NOT NULL DEFAULT '0',
    seq bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE changes_swept IS 'Up to where rows of changes have been removed; exactly one row.';
INSERT INTO changes_swept DEFAULT VALUES;
GRANT SELECT ON changes_swept TO simpul_service;

-- The functions below are single expressions, which the planner puts in the place of their call: an index serves them.

-- Every transaction before this one has ended: what it wrote is there, and nothing can be added before it any more.
CREATE FUNCTION changes_horizon() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE
    RETURN pg_snapshot_xmin(pg_current_snapshot());

-- Whether a row stands after a place in the feed. A transaction's number comes as bigint: no client library knows xid8.
CREATE FUNCTION follows(xid xid8, seq bigint, after_xid bigint, after_seq bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (xid, seq) > (after_xid::text::xid8, after_seq);

-- Whether one of these regions is `region` or lies in it. Each level of a code has a fixed number
-- of digits, so a code that begins like another lies in it.
CREATE FUNCTION lies_in(regions text[], region text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN strpos(',' || array_to_string(regions, ','), ',' || region) > 0;

-- Whether an audience (the first four) has this reader in it. `everything`: whoever anybody sees; `own_agencies`: what
-- it and its branches are party to; `own_region`: what lies in its jurisdiction; `own_volunteer`: a phone's own;
-- `around` and `home`: what is announced to a region that it lies in, and, for a phone, that lies in its office's.
CREATE FUNCTION is_among(
    agencies uuid[], regions text[], volunteers uuid[], below text[],
    everything boolean, own_agencies uuid[], own_region text, own_volunteer uuid, around text[], home text
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(
        agencies && own_agencies
        OR lies_in(regions, own_region)
        OR own_volunteer = ANY (volunteers)
        OR below && around
        OR lies_in(below, home)
        OR everything
            AND cardinality(agencies) + cardinality(regions) + cardinality(volunteers) + cardinality(below) > 0,
        false);

-- Removes the oldest of the first `most` rows, up to the first that is younger than `kept_from` or not served yet, and
-- remembers where that was; returns how many. Two at once are harmless: a row is removed by one of them. Owner's right:
-- the service itself can remove no row.
CREATE FUNCTION sweep_changes(kept_from timestamptz, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    swept bigint;
BEGIN
    WITH first AS (
        SELECT c.xid, c.seq, c.at FROM changes c WHERE c.xid < changes_horizon() ORDER BY c.xid, c.seq LIMIT most
    ), judged AS (
        SELECT f.seq, bool_and(f.at < kept_from) OVER (ORDER BY f.xid, f.seq) AS old FROM first f
    ), gone AS (
        DELETE FROM changes c USING judged j WHERE j.old AND c.seq = j.seq RETURNING c.xid, c.seq
    ), last AS (
        SELECT g.xid, g.seq FROM gone g ORDER BY g.xid DESC, g.seq DESC LIMIT 1
    ), marked AS (
        UPDATE changes_swept s SET xid = l.xid, seq = l.seq FROM last l WHERE (s.xid, s.seq) < (l.xid, l.seq)
    )
    SELECT count(*) INTO swept FROM gone;
    RETURN swept;
END $$;

-- After a backup was restored, or a standby that had fallen behind was promoted: numbers of transactions are used
-- again, so what readers hold tells nothing any more. All of them begin anew. For the owner alone.
CREATE FUNCTION renew_changes() RETURNS uuid LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    renewed uuid;
BEGIN
    TRUNCATE changes;
    UPDATE changes_swept SET xid = '0', seq = 0;
    UPDATE installation SET generation = gen_random_uuid() RETURNING generation INTO renewed;
    RETURN renewed;
END $$;

REVOKE EXECUTE ON FUNCTION sweep_changes(timestamptz, bigint), renew_changes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_changes(timestamptz, bigint) TO simpul_service;
