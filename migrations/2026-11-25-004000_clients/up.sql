-- What an agency may say of its own clients: from which networks, why disabled; keys and secrets each within limits.
SET lock_timeout = '2s';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('client-reasons', 'Alasan menonaktifkan atau mengaktifkan klien', 'Reasons for disabling or enabling a client');
-- Groups: the act that a reason is for.
INSERT INTO codes (list, code, position, group_code, label_id, label_en) VALUES
    ('client-reasons', 'lost_or_stolen', 1, 'disable', 'Perangkat atau rahasia hilang atau dicuri', 'Device or secret lost or stolen'),
    ('client-reasons', 'suspected_misuse', 2, 'disable', 'Diduga disalahgunakan', 'Suspected misuse'),
    ('client-reasons', 'replaced', 3, 'disable', 'Digantikan klien lain', 'Replaced by another client'),
    ('client-reasons', 'no_longer_used', 4, 'disable', 'Tidak dipakai lagi', 'No longer used'),
    ('client-reasons', 'volunteer_left', 5, 'disable', 'PSM tidak bertugas lagi', 'The volunteer has left'),
    ('client-reasons', 'found_again', 6, 'enable', 'Ditemukan kembali', 'Found again'),
    ('client-reasons', 'cleared', 7, 'enable', 'Tidak terbukti disalahgunakan', 'Found not to be misused'),
    ('client-reasons', 'disabled_by_mistake', 8, 'enable', 'Dinonaktifkan karena keliru', 'Disabled by mistake');

-- The cast refuses what is no network.
ALTER TABLE clients
    ADD COLUMN networks text[] NOT NULL DEFAULT '{}' CHECK (networks::cidr[] IS NOT NULL),
    ADD COLUMN state_reason text,
    ADD COLUMN reason_list text GENERATED ALWAYS AS ('client-reasons') STORED,
    -- Whoever created it may send the create again: same creator and same body give the row.
    ADD COLUMN created_by uuid,
    ADD COLUMN create_request bytea,
    ADD FOREIGN KEY (reason_list, state_reason) REFERENCES codes (list, code);
COMMENT ON COLUMN clients.networks IS 'From which addresses it may call; none = from everywhere.';
COMMENT ON COLUMN clients.state_reason IS 'Of the last change of its state.';
CREATE INDEX clients_by_reason ON clients (reason_list, state_reason);

ALTER TABLE access_state ADD COLUMN networks text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN access_state.networks IS 'From which addresses the client may call; none = from everywhere.';

-- One key under one name; an elliptic point is told by its x, up to the sign.
CREATE UNIQUE INDEX client_keys_by_point ON client_keys (client_id, (jwk ->> 'x')) WHERE removed_at IS NULL;
ALTER TABLE client_keys
    ADD CHECK (length(kid) BETWEEN 1 AND 64),
    ADD CHECK (NOT jwk ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']),
    ADD CHECK (jwk ->> 'crv' IN ('Ed25519', 'P-256'));
-- Of all secrets only one has no end: the others are being replaced by it.
CREATE UNIQUE INDEX client_secrets_one_lasting ON client_secrets (client_id) WHERE expires_at IS NULL;
