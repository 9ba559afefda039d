SET lock_timeout = '2s';
DROP INDEX clients_one_phone;
DROP TABLE phone_codes;
