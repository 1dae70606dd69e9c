"""Commands of PostgreSQL's client programs."""

from pydantic import SecretStr

from odoo_ops.model.command import Command
from odoo_ops.model.environment import DatabaseSettings

_PROGRAM_FOLDER = "/usr/lib/postgresql/{major}/bin"


def program_folders(server_major: int) -> list[str]:
    """Where Debian and Ubuntu keep the client programs of the server's own version."""
    return [_PROGRAM_FOLDER.format(major=server_major)]


def connection_environment(database: DatabaseSettings) -> dict[str, str]:
    """Variables of libpq that say where a database's server is and as whom to connect."""
    return {"PGHOST": database.server, "PGPORT": str(database.port), "PGUSER": database.user}


def connection_secrets(database: DatabaseSettings) -> dict[str, SecretStr]:
    """Variable of libpq for the password, if there is one."""
    return {"PGPASSWORD": database.password} if database.password else {}


def dump_database(
    program: str, database: DatabaseSettings, *, snapshot: str, jobs: int, compress: str, into: str
) -> Command:
    """`pg_dump` of a database into a new folder, in an exported snapshot."""
    return Command(
        argv=(
            program,
            "--format=directory",
            f"--jobs={jobs}",
            f"--compress={compress}",
            f"--snapshot={snapshot}",
            "--no-password",
            "--verbose",
            f"--file={into}",
        ),
        environment={**connection_environment(database), "PGDATABASE": database.name},
        secrets=connection_secrets(database),
    )


def print_version(program: str) -> Command:
    """What a program says of its version."""
    return Command(argv=(program, "--version"))


def read_whole_dump(program: str, folder: str) -> Command:
    """`pg_restore` of a dump into nothing: it reads every byte, so it fails on a dump cut short.

    (`pg_restore --list` reads the table of contents only and passes.)
    """
    return Command(argv=(program, "--file=/dev/null", folder))


def restore_database(program: str, database: DatabaseSettings, *, name: str, jobs: int, folder: str) -> Command:
    """`pg_restore` of a dump into the database `name`; the first error ends it.

    Comments are left out: those on extensions need a superuser.
    """
    return Command(
        argv=(
            program,
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            "--exit-on-error",
            "--no-password",
            "--verbose",
            f"--jobs={jobs}",
            f"--dbname={_quoted_conninfo(name)}",
            folder,
        ),
        environment=connection_environment(database),
        secrets=connection_secrets(database),
    )


def analyze(program: str, database: DatabaseSettings, *, name: str, jobs: int) -> Command:
    """`vacuumdb` that makes the planner's statistics of the database `name`: dumps before 18 carry none."""
    return Command(
        argv=(program, "--analyze-only", "--no-password", f"--jobs={jobs}", f"--dbname={_quoted_conninfo(name)}"),
        environment=connection_environment(database),
        secrets=connection_secrets(database),
    )


def _quoted_conninfo(name: str) -> str:
    """A database's name as a conninfo string: a bare name holding `=` would be read as one.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    """
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def print_sql(program: str, folder: str) -> Command:
    """`pg_restore` of a dump as SQL to its standard output, for whoever restores it.

    Comments are left out as in `restore_database`: a plain role's psql would stop at those on extensions.
    """
    return Command(argv=(program, "--no-owner", "--no-privileges", "--no-comments", "--file=-", folder))


def run_input(program: str, database: DatabaseSettings) -> Command:
    """`psql` of what its standard input will bring; the first error ends it."""
    return Command(
        argv=(program, "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"),
        environment={**connection_environment(database), "PGDATABASE": database.name},
        secrets=connection_secrets(database),
    )


def run_script(program: str, database: DatabaseSettings, *, script: str) -> Command:
    """`psql` of a script from stdin that prints bare rows; the first error ends it."""
    return Command(
        argv=(
            program,
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--set=FETCH_COUNT=1000",
            "--file=-",
        ),
        environment={**connection_environment(database), "PGDATABASE": database.name},
        secrets=connection_secrets(database),
        stdin=SecretStr(script),
    )
