DROP INDEX client_secrets_one_lasting;
ALTER TABLE client_keys
    DROP CONSTRAINT client_keys_kid_check,
    DROP CONSTRAINT client_keys_jwk_check,
    DROP CONSTRAINT client_keys_jwk_check1;
DROP INDEX client_keys_by_point;
ALTER TABLE access_state DROP COLUMN networks;
DROP INDEX clients_by_reason;
ALTER TABLE clients
    DROP COLUMN create_request,
    DROP COLUMN created_by,
    DROP COLUMN reason_list,
    DROP COLUMN state_reason,
    DROP COLUMN networks;
DELETE FROM codes WHERE list = 'client-reasons';
DELETE FROM code_lists WHERE name = 'client-reasons';
