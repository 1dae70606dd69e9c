"""The figures of the business, read from a database by sums that PostgreSQL makes: no record comes this way.

Odoo's modules bring the tables, and its versions change them: what is asked for is looked for first.
"""

from psycopg import sql

from odoo_ops.adapters.business_queries import SOURCES, Source
from odoo_ops.adapters.database import Connection
from odoo_ops.model.business import Business, Figures, Subject

_KEPT_DETAILS = 2000

_READ = sql.SQL("""
WITH found AS ({lines}),
line AS MATERIALIZED (
    SELECT coalesce(c.name || ', ' || u.name, c.name, found.kind, '') AS total,
           coalesce(found.line, '') AS line, {found}
    FROM found LEFT JOIN res_company c ON c.id = found.company_id LEFT JOIN res_currency u ON u.id = c.currency_id
)
SELECT (SELECT count(*) FROM line),
       (SELECT encode(sha256(convert_to(coalesce(
                   string_agg(concat_ws('|', total, line, {figures}), E'\\n' ORDER BY line COLLATE "C"), ''
               ), 'UTF8')), 'hex') FROM line),
       (SELECT coalesce(json_object_agg(total, row ORDER BY total), '{{}}')
        FROM (SELECT total, json_build_object({sums}) AS row FROM line GROUP BY total) t),
       (SELECT coalesce(json_object_agg(line, row), '{{}}')
        FROM (SELECT line, json_build_array({texts}) AS row FROM line ORDER BY line COLLATE "C" LIMIT {kept}) d)
""")


def read_business(connection: Connection, sequences: Figures | None) -> Business:
    """The figures of every subject that this database has, in the connection's current transaction.

    `sequences` are those of `read_number_sequences`.
    """
    measured: dict[Subject, Figures] = {}
    unmeasured: dict[Subject, str] = {}
    for subject, sources in SOURCES.items():
        missing = [_missing(connection, source) for source in sources]
        if "" in missing:
            measured[subject] = _read(connection, sources[missing.index("")])
        else:
            unmeasured[subject] = missing[0]
    if sequences:
        measured["number sequences"] = sequences
    else:
        unmeasured["number sequences"] = "there is no table ir_sequence"
    return Business(measured=measured, unmeasured=unmeasured)


def _read(connection: Connection, source: Source) -> Figures:
    figures = [sql.Identifier(name) for name in source.names]
    query = _READ.format(
        lines=sql.SQL(source.lines),
        found=sql.SQL(", ").join(sql.SQL("coalesce({}, 0) AS {}").format(figure, figure) for figure in figures),
        figures=sql.SQL(", ").join(figures),
        sums=sql.SQL(", ").join(
            sql.SQL("{}, sum({})::text").format(name, sql.Identifier(name)) for name in source.summed or source.names
        ),
        texts=sql.SQL(", ").join(sql.SQL("{}::text").format(figure) for figure in figures),
        kept=_KEPT_DETAILS,
    )
    ((lines, digest, totals, details),) = connection.execute(query).fetchall()
    return Figures(names=source.names, totals=totals, lines=lines, sha256=digest, details=details)


def _missing(connection: Connection, source: Source) -> str:
    """What the database lacks of it, in words; empty when it lacks nothing."""
    for table, columns in source.columns.items():
        found = read_columns(connection, table)
        if not found:
            return f"there is no table {table}"
        if lacking := [column for column in columns if column not in found]:
            return f"the table {table} has no column {', '.join(lacking)}"
    return ""


def read_columns(connection: Connection, table: str) -> set[str]:
    """The columns of a table; none where it is not there."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped", [table]
    )
    return {name for (name,) in rows}
