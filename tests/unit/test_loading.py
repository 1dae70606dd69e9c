"""What PostgreSQL's programs say of a full disk and a lost server is told from what they say of a bad dump."""

import pytest

from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed, VerificationFailed
from odoo_ops.policy.loading import failed_load, failed_on_copy

_FULL = [
    (
        'pg_restore: error: COPY failed for table "mail_message": ERROR:  could not extend file "base/16577/16602": '
        "No space left on device\nHINT:  Check free disk space.\nCONTEXT:  COPY mail_message, line 9012"
    ),
    'psql:<stdin>:40: ERROR:  could not extend file "base/5/24": wrote only 4096 of 8192 bytes at block 18',
    (
        'pg_restore: error: could not execute query: ERROR:  could not write to file "base/pgsql_tmp/pgsql_tmp99.0": '
        "No space left on device\nCommand was: CREATE INDEX i ON t USING btree (name);"
    ),
    (
        "pg_restore: error: could not execute query: ERROR:  syntax error\nCommand was: CREATE FUNCTION f() AS $$\n"
        "BEGIN END $$;\n\npg_restore: error: could not execute query: ERROR:  could not extend file: "
        "No space left on device\nCommand was: CREATE INDEX i ON t USING btree (name);"
    ),
]
_LOST = [
    (
        "pg_restore: error: error returned by PQputCopyData: server closed the connection unexpectedly\n"
        "\tThis probably means the server terminated abnormally\n\tbefore or while processing the request."
    ),
    (
        "psql:<stdin>:7: FATAL:  terminating connection due to administrator command\n"
        "psql:<stdin>:7: error: connection to server was lost"
    ),
    (
        'pg_restore: error: connection to server at "127.0.0.1", port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?"
    ),
    'vacuumdb: error: connection to server at "::1", port 5432 failed: FATAL:  the database system is shutting down',
    (
        "WARNING:  terminating connection because of crash of another server process\n"
        "DETAIL:  The postmaster has commanded this server process to roll back the current transaction and exit."
    ),
]
_BAD = [
    "pg_restore: error: could not read from input file: end of file",
    'pg_restore: error: could not execute query: ERROR:  type "vector" does not exist\nLINE 3:     embedding vector(3)',
    # the row that is quoted speaks of what it does not mean
    (
        'pg_restore: error: COPY failed for table "mail": ERROR:  invalid byte sequence for encoding "UTF8": 0xff\n'
        'CONTEXT:  COPY mail_message, line 3: "12\tNo space left on device, server closed the connection unexpectedly"'
    ),
    (
        'psql:<stdin>:9: ERROR:  duplicate key value violates unique constraint "mail_pkey"\n'
        "DETAIL:  Key (name)=(No space left on device) already exists."
    ),
    (
        "pg_restore: error: could not execute query: ERROR:  function f() does not exist\n"
        "Command was: CREATE FUNCTION g() RETURNS text AS $$\n"
        "  SELECT 'No space left on device, server closed the connection unexpectedly'\n$$;\n\n"
        "pg_restore: warning: errors ignored on restore: 1"
    ),
    "",
]


@pytest.mark.parametrize(
    ("output", "kind", "next_step"),
    [
        *((said, CommandFailed, "make room on the disk of PostgreSQL's data") for said in _FULL),
        *((said, CommandFailed, "see in PostgreSQL's log why") for said in _LOST),
        *((said, VerificationFailed, "name an older snapshot.") for said in _BAD),
    ],
)
def test_failed_load_blames_what_is_to_blame(output: str, kind: type[OdooOpsError], next_step: str) -> None:
    error = CommandFailed("pg_restore", 1, output, where="here")
    found = failed_load(error, "It could not be restored. 'erp' is as it was.", "name an older snapshot.")
    assert type(found) is kind
    assert f"Next step: {next_step}" in str(found)
    assert str(found).count("Next step") == 1
    assert output in str(found) or kind is VerificationFailed


_ODOO = "2026-11-01 10:00:00,000 7 ERROR erp odoo.modules.registry: Failed to load registry\nTraceback:\n"


@pytest.mark.parametrize(
    ("said", "kind", "next_step"),
    [
        (
            'psycopg2.errors.DiskFull: could not extend file "base/5/24": No space left on device\nHINT:  Free space.',
            PreconditionFailed,
            "make room on the disk",
        ),
        (
            "psycopg2.OperationalError: server closed the connection unexpectedly\n\tThis probably means",
            PreconditionFailed,
            "see in PostgreSQL's log why",
        ),
        (
            "psycopg2.errors.AdminShutdown: terminating connection due to administrator command",
            PreconditionFailed,
            "see in PostgreSQL's log why",
        ),
        ("ValueError: Invalid field 'shelf' on model 'shelf.book'", VerificationFailed, ""),
        (
            "psycopg2.errors.UniqueViolation: duplicate key\nDETAIL:  Key (name)=(No space left on device) already.",
            VerificationFailed,
            "",
        ),
    ],
)
def test_update_that_ends_blames_the_release_only_for_what_is_its_own(
    said: str, kind: type[OdooOpsError], next_step: str
) -> None:
    found = failed_on_copy("Modules cannot be updated: Failed to load registry", _ODOO + said)
    assert type(found) is kind
    assert found.next_step.startswith(next_step)
    assert ("not to blame" in str(found)) == (kind is PreconditionFailed)
