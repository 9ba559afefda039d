-- What changed, for whom: written in the transaction of the change, read by the feed and by webhooks.
SET lock_timeout = '2s';

CREATE TABLE changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Rows are served in the order of (xid, seq) once every older transaction has ended: a late commit is not lost.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    generation uuid NOT NULL,
    at timestamptz NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    version integer NOT NULL,
    op text NOT NULL CHECK (op IN ('upsert', 'removed', 'redirected')),
    redirected_to uuid,
    -- Scope that a reader needs.
    scope text NOT NULL,
    -- Who could see the row before and after: who is in the first and not in the second gets `removed`.
    agencies_before uuid[] NOT NULL,
    agencies_after uuid[] NOT NULL,
    regions_before text[] NOT NULL,
    regions_after text[] NOT NULL,
    volunteers_before uuid[] NOT NULL,
    volunteers_after uuid[] NOT NULL,
    CHECK ((op = 'redirected') = (redirected_to IS NOT NULL))
);
COMMENT ON TABLE changes IS 'Outbox: id-only records of changes with their audience.';
CREATE INDEX changes_in_order ON changes (xid, seq);
CREATE INDEX changes_by_entity ON changes (entity_id);

GRANT SELECT, INSERT ON changes TO simpul_service;
