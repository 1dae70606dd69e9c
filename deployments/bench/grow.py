"""The database of a benchmark: grown to a size, then changed as a day's work does."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deployments.bench.text import Sentences
from odoo_ops.adapters.odoo_database import read_database_bytes

Connection = psycopg.Connection[tuple[Any, ...]]
Row = tuple[object, ...]

_TABLES = Path(__file__).with_name("tables.sql")
_BEGINNING = datetime(2019, 1, 1)  # noqa: DTZ001 - Odoo's columns have no time zone
_BATCH = 100  # of the smallest table; the others get more, see `_SHAPES`
_YOUNG = 0.05


def make_tables(connection: Connection) -> None:
    """The tables, empty."""
    connection.execute(_TABLES.read_text())


def grow_database(connection: Connection, to_bytes: int, sentences: Sentences) -> None:
    """Add rows to all tables until the database has its size on disk, indexes included."""
    first = read_database_bytes(connection)
    size, batches = first, 10
    while size < to_bytes:
        add_rows(connection, batches, sentences)
        grown = read_database_bytes(connection)
        per_batch = max(1.0, (grown - size) / batches)
        size, batches = grown, max(1, min(20 * batches, int((to_bytes - grown) / per_batch)))
    connection.execute("ANALYZE")


def add_rows(connection: Connection, batches: int, sentences: Sentences) -> None:
    """Add so many batches of a hundred partners and what they buy, pay and write."""
    for table, (columns, weight, make) in _SHAPES.items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for number in range(batches * _BATCH * weight):
                copy.write_row(make(sentences, number))


def change_database(connection: Connection, share: float, sentences: Sentences, *, anywhere: bool) -> int:
    """A day's work: `share` of all rows, half of them added, half changed. Returns how many rows.

    Partners are changed anywhere. Documents and messages are changed where they are young, among the newest
    5 % of their table; or, with `anywhere`, all over it, which no company does in a day.
    """
    rows = 0
    for table, (columns, _weight, make) in _SHAPES.items():
        ((least, most),) = connection.execute(
            sql.SQL("SELECT min(id), max(id) FROM {}").format(sql.Identifier(table))
        ).fetchall()
        half = max(1, int((most - least + 1) * share / 2))
        oldest = least if anywhere or table == "res_partner" else int(most - (most - least) * _YOUNG)
        ids = sentences.random.sample(range(oldest, most + 1), min(half, most + 1 - oldest))
        query = sql.SQL("UPDATE {} SET write_date = now(), {} = {} || ' *' WHERE id = ANY(%s)")
        text = sql.Identifier(_CHANGED[table])
        rows += connection.execute(query.format(sql.Identifier(table), text, text), [ids]).rowcount
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for number in range(half):
                copy.write_row(make(sentences, number))
        rows += half
    return rows


def _when(sentences: Sentences) -> datetime:
    return _BEGINNING + timedelta(seconds=sentences.random.randrange(200_000_000), microseconds=1)


def _partner(sentences: Sentences, number: int) -> Row:
    pick, when = sentences.random.randrange, _when(sentences)
    name = " ".join(sentences.one().split()[:3]).title()
    return (
        *(name, f"{sentences.one().split()[0]} {pick(300)}", sentences.one().split()[0], f"{pick(100_000):05}"),
        *(f"{name.replace(' ', '.').lower()}{pick(10_000)}@example.com", f"+49 {pick(10**10)}", f"DE{pick(10**9):09}"),
        *(sentences.some(2) if number % 4 == 0 else None, True, when, when),
    )


def _sale_line(sentences: Sentences, number: int) -> Row:
    pick, when = sentences.random.randrange, _when(sentences)
    quantity, cents = pick(1, 50), pick(100, 500_000)
    return (
        *(pick(1, 400_000), pick(1, 20_000), f"[{pick(10**6):06}] {sentences.one()}", quantity, cents / 100),
        *(quantity * cents / 100, "sale" if number % 9 else "cancel", when, when),
    )


def _account_line(sentences: Sentences, number: int) -> Row:
    pick, when = sentences.random.randrange, _when(sentences)
    amount = pick(100, 2_000_000) / 100
    debit, credit = (amount, 0) if number % 2 else (0, amount)
    ref = f"INV/{when.year}/{pick(100_000):05}"
    return (
        *(pick(1, 500_000), pick(1, 300), pick(1, 50_000), when.date(), ref),
        *(" ".join(sentences.one().split()[:6]), debit, credit, debit - credit, number % 5 > 0, when, when),
    )


def _stock_move(sentences: Sentences, number: int) -> Row:
    pick, when = sentences.random.randrange, _when(sentences)
    reference = f"WH/{'OUT' if number % 3 else 'IN'}/{pick(1_000_000):06}"
    return (pick(1, 20_000), pick(1, 400_000), reference, pick(1, 80), pick(100, 50_000) / 100, "done", when, when)


def _message(sentences: Sentences, number: int) -> Row:
    pick, when = sentences.random.randrange, _when(sentences)
    model = ("sale.order", "account.move", "res.partner", "stock.picking")[number % 4]
    body = f"<p>{sentences.some(4)}</p><p>{sentences.some(6)}</p>"
    identity = f"<{pick(10**15)}.{pick(10**9)}-openerp-{pick(10**6)}-{model}@erp.example.com>"
    return (model, pick(1, 400_000), pick(1, 50_000), sentences.one(), body, "comment", identity, when, when)


# table: columns, rows for one partner, how a row is made
_SHAPES: dict[str, tuple[tuple[str, ...], int, Callable[[Sentences, int], Row]]] = {
    "res_partner": (
        (*("name", "street", "city", "zip", "email", "phone", "vat", "comment"), "active", "create_date", "write_date"),
        1,
        _partner,
    ),
    "sale_order_line": (
        (*("order_id", "product_id", "name", "qty", "price_unit", "price_total", "state"), "create_date", "write_date"),
        8,
        _sale_line,
    ),
    "account_move_line": (
        (
            *("move_id", "account_id", "partner_id", "date", "ref", "name", "debit", "credit", "balance"),
            *("reconciled", "create_date", "write_date"),
        ),
        16,
        _account_line,
    ),
    "stock_move": (
        ("product_id", "picking_id", "reference", "qty", "price_unit", "state", "date", "write_date"),
        8,
        _stock_move,
    ),
    "mail_message": (
        (
            *("model", "res_id", "author_id", "subject", "body", "message_type", "message_id"),
            *("date", "write_date"),
        ),
        6,
        _message,
    ),
}
_CHANGED = {
    "res_partner": "street",
    "sale_order_line": "name",
    "account_move_line": "name",
    "stock_move": "reference",
    "mail_message": "subject",
}
