DROP TABLE source_system_services;
DROP TABLE source_systems;
DROP TABLE client_assertions;
DROP TABLE client_secrets;
DROP TABLE client_keys;
DROP TABLE clients;
DROP TABLE agencies;
