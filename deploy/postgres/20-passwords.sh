#!/bin/bash
# Run once by the postgres image on an empty volume, after 10-roles.sql. The passwords come from the environment and
# reach psql as variables, so that no quoting can go wrong and no log shows them.
set -euo pipefail
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner SIMPUL_OWNER_PASSWORD
\getenv service SIMPUL_SERVICE_PASSWORD
SET log_statement = 'none';
ALTER ROLE simpul_owner PASSWORD :'owner';
ALTER ROLE simpul_service PASSWORD :'service';
SQL
