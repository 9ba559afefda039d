-- What only a superuser can do, once per database. Safe to run again.
--
-- `simpul demo` and the tests run it by themselves, docker-compose at the first start of its volume.
-- On a server of your own:
--
--   createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8 simpul
--   psql --dbname=simpul --file=sql/roles.sql
--
-- and give both roles a password (\password simpul_owner) or a line in pg_hba.conf:
-- without one of these they cannot log in.
BEGIN;

DO $$
DECLARE
    role text;
BEGIN
    -- Two runs at once would fail with "tuple concurrently updated".
    PERFORM pg_advisory_xact_lock(hashtext('simpul roles'));

    -- simpul_owner owns the tables and runs the migrations; simpul_service is what the service connects as:
    -- it can do only what the migrations granted, so it can neither alter a table nor rewrite the audit trail.
    FOREACH role IN ARRAY ARRAY['simpul_owner', 'simpul_service'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- made earlier, or this moment for another database of this cluster
        END;
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
    END LOOP;

    EXECUTE format('ALTER DATABASE %I OWNER TO simpul_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO simpul_owner, simpul_service', current_database());
    -- Error messages in one language: the service reads some of them (`serve` checks this).
    EXECUTE format('ALTER DATABASE %I SET lc_messages = %L', current_database(), 'C');
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO simpul_owner;
GRANT USAGE ON SCHEMA public TO simpul_service;

-- Search by parts of a name. Debian: in the package postgresql; Red Hat: in postgresql-contrib.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMIT;
