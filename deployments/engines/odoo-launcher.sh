#!/bin/sh
# Odoo 19 of this folder; it runs from any working directory.
engine=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
export PYTHONPATH="$engine/debian/usr/lib/python3/dist-packages"
export TZ=UTC
exec "$engine/venv/bin/python" "$engine/debian/usr/bin/odoo" "$@"
