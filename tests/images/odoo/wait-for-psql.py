#!/usr/bin/python3
"""Ends with status 0 once PostgreSQL lets Odoo in. What Odoo's file says goes before arguments and environment."""

import argparse
import configparser
import os
import sys
import time

import psycopg2

NAMES = {"db_host": "PGHOST", "db_port": "PGPORT", "db_user": "PGUSER", "db_password": "PGPASSWORD"}


def settings(arguments: argparse.Namespace) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read(os.environ["ODOO_RC"])
    file = parser["options"]
    found = {name: file.get(name) or getattr(arguments, name) or os.environ.get(NAMES[name]) for name in NAMES}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        sys.exit(f"Missing required database parameters: {', '.join(missing)}")
    return {name.removeprefix("db_"): value for name, value in found.items()}


def wait(server: dict[str, str], timeout_seconds: int) -> None:
    give_up = time.monotonic() + timeout_seconds
    while True:
        try:
            psycopg2.connect(dbname="postgres", **server).close()
        except psycopg2.OperationalError as error:
            if time.monotonic() > give_up:
                sys.exit(f"Database connection failure: {error}")
            time.sleep(1)
        else:
            return


parser = argparse.ArgumentParser()
for name in NAMES:
    parser.add_argument(f"--{name}")
parser.add_argument("--timeout", type=int, default=5)
arguments = parser.parse_args()
wait(settings(arguments), arguments.timeout)
