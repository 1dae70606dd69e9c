#!/bin/sh
# The official one writes its files here, so its root file system cannot be read-only.
set -e
[ -e /etc/pgbouncer/userlist.txt ] || touch /etc/pgbouncer/userlist.txt
exec "$@"
