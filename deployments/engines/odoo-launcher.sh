#!/bin/sh
# Odoo 19 of this folder; it runs from any working directory.
engine=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
export PYTHONPATH="$engine/debian/usr/lib/python3/dist-packages"
# What Python compiles is kept in the engine, also where an environment says that nothing is: two thirds of a start.
export PYTHONPYCACHEPREFIX="$engine/pycache" PYTHONDONTWRITEBYTECODE=
export TZ=UTC
exec "$engine/venv/bin/python" "$engine/debian/usr/bin/odoo" "$@"
