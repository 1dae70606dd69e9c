#!/bin/bash
# Waits for PostgreSQL, then runs Odoo. Like the official image's, it puts what HOST, PORT, USER and PASSWORD say behind
# all other words, subcommand included, unless the file or a PG variable says it: `odoo db` does not know these options.
set -e

if [ -v PASSWORD_FILE ]; then
  PASSWORD=$(<"$PASSWORD_FILE")
fi

database=()
add() { # OPTION VARIABLE VALUE
  if [ -v "$2" ] || grep -qE "^\s*$1\s*=" "$ODOO_RC"; then return; fi
  database+=("--$1" "$3")
}
add db_host PGHOST "${HOST:-db}"
add db_port PGPORT "${PORT:-5432}"
add db_user PGUSER "${USER:-${POSTGRES_USER:-odoo}}"
add db_password PGPASSWORD "${PASSWORD:-${POSTGRES_PASSWORD:-odoo}}"

case $1 in
  -- | odoo) shift ;;
  -*) ;;
  *) exec "$@" ;;
esac
if [ "$1" = scaffold ]; then
  exec odoo "$@"
fi
wait-for-psql.py "${database[@]}" --timeout=30
exec odoo "$@" "${database[@]}"
