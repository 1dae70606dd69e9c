"""The next numbers that Odoo's sequences give to documents."""

import hashlib

from psycopg import sql

from odoo_ops.adapters.business import read_columns
from odoo_ops.adapters.database import Connection
from odoo_ops.model.business import Figures

_SEQUENCES_PER_QUERY = 200

# those `no_gap` are counted in the row itself (then there is no name), the others by a sequence of PostgreSQL
_COUNTERS = """
SELECT concat_ws(' ', s.name, '(ir.sequence ' || s.id || ')'),
       CASE WHEN s.implementation = 'standard' THEN 'ir_sequence_' || to_char(s.id, 'FM9999999000') END, s.number_next
FROM ir_sequence s
UNION ALL
SELECT concat_ws(' ', s.name, 'from', r.date_from, '(ir.sequence.date_range ' || r.id || ')'),
       CASE WHEN s.implementation = 'standard' THEN
           'ir_sequence_' || to_char(s.id, 'FM9999999000') || '_' || to_char(r.id, 'FM9999999000') END, r.number_next
FROM ir_sequence_date_range r JOIN ir_sequence s ON s.id = r.sequence_id
ORDER BY 1
"""


def read_number_sequences(connection: Connection) -> Figures | None:
    """The next number that each of Odoo's sequences gives; None where there is no such table.

    PostgreSQL's sequences behind them are in no transaction: read them before pg_dump begins, then a restored one
    may be ahead, never behind. A sequence that was set by hand and not used since is read right, too.
    """
    needed = {"number_next", "number_increment", "implementation", "name"}
    if not needed <= read_columns(connection, "ir_sequence"):
        return None
    counters = connection.execute(_COUNTERS).fetchall()
    behind = [name for _line, name, _next in counters if name]
    current = _read_sequences(connection, behind)
    details = {line: (str(current.get(name, 0) if name else following),) for line, name, following in counters}
    text = "\n".join(f"{line}|{following}" for line, (following,) in details.items())
    return Figures(
        names=("next number",),
        totals={},
        lines=len(details),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        details=details,
    )


def _read_sequences(connection: Connection, names: list[str]) -> dict[str, int]:
    """The next value of each sequence of PostgreSQL that is there."""
    rows = connection.execute(
        "SELECT sequencename, increment_by FROM pg_sequences WHERE schemaname = 'public' AND sequencename = ANY(%s)",
        [names],
    ).fetchall()
    found: dict[str, int] = {}
    for begin in range(0, len(rows), _SEQUENCES_PER_QUERY):
        union = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, last_value + CASE WHEN is_called THEN {} ELSE 0 END FROM {}").format(
                name, step, sql.Identifier("public", name)
            )
            for name, step in rows[begin : begin + _SEQUENCES_PER_QUERY]
        )
        found.update(dict(connection.execute(union).fetchall()))
    return found
