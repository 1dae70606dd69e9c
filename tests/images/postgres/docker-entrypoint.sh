#!/bin/bash
# Makes the cluster and its database at the first start, then runs the server as the user postgres.
set -Eeuo pipefail

setting() { # NAME DEFAULT: the value of $NAME, else the content of the file $NAME_FILE, else the default
  local file="$1_FILE"
  if [ -n "${!1:-}" ] && [ -n "${!file:-}" ]; then
    echo "error: both $1 and $file are set (but are exclusive)" >&2
    return 1
  fi
  if [ -n "${!file:-}" ]; then cat -- "${!file}"; else printf %s "${!1:-$2}"; fi
}

sql() { # ARGUMENTS of psql
  PGHOST='' psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password --username="$user" "$@"
}

check_password() {
  [ -z "$password" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ] || return 0
  echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
  echo '       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.' >&2
  return 1
}

make_cluster() {
  local options
  options=$(setting POSTGRES_INITDB_ARGS '')
  # the options may hold quotes, as in the official image
  eval 'initdb --username="$user" --pwfile=<(printf "%s\n" "$password")' "$options"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_first_scripts() {
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) sql --dbname="$database" --file="$script" ;;
      *.sql.gz) gunzip --stdout "$script" | sql --dbname="$database" ;;
    esac
  done
}

fill_cluster() { # ARGUMENTS of the server, which is reached by its socket alone
  export PGPASSWORD="$password"
  pg_ctl --pgdata="$PGDATA" --wait start --options="$(printf '%q ' "$@" -c listen_addresses=)"
  [ "$database" = postgres ] || sql --dbname=postgres --set=name="$database" <<<'CREATE DATABASE :"name"'
  run_first_scripts
  pg_ctl --pgdata="$PGDATA" --wait --mode=fast stop
  unset PGPASSWORD
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/lib/postgresql "$0" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    password=$(setting POSTGRES_PASSWORD '')
    export POSTGRES_USER=$user POSTGRES_DB=$database # for the scripts
    check_password
    make_cluster
    fill_cluster "${@:2}"
  fi
fi
exec "$@"
