-- Tokens that their client has given up before they ended (RFC 7009).
SET lock_timeout = '2s';

CREATE TABLE revoked_tokens (
    jti uuid PRIMARY KEY,
    client_id uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE revoked_tokens IS 'Until they would have ended by themselves.';
CREATE INDEX revoked_tokens_by_client ON revoked_tokens (client_id);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);
GRANT SELECT, INSERT, DELETE ON revoked_tokens TO simpul_service;
