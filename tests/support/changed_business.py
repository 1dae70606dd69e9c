"""One cent, one piece, one number changed in a real Odoo's database: what the comparison of the business says of it."""

from typing import LiteralString

from odoo_ops.adapters.business import read_business
from odoo_ops.adapters.database import Connection
from odoo_ops.adapters.number_sequences import read_number_sequences
from odoo_ops.model.business import Business
from odoo_ops.policy.business import compare_business

CENT_MORE: LiteralString = (
    "UPDATE account_move_line SET debit = debit + 0.01 WHERE id = (SELECT min(id) FROM account_move_line"
    " WHERE parent_state = 'posted' AND debit > 0)"
)
CENT_PAID: LiteralString = (
    "UPDATE account_move_line SET amount_residual = amount_residual - 0.01 WHERE id = (SELECT min(l.id)"
    " FROM account_move_line l JOIN account_account a ON a.id = l.account_id"
    " WHERE parent_state = 'posted' AND account_type = 'asset_receivable')"
)
PIECE_MORE: LiteralString = (
    "UPDATE stock_quant SET quantity = quantity + 1 WHERE id = (SELECT min(q.id) FROM stock_quant q"
    " JOIN stock_location l ON l.id = q.location_id WHERE l.usage = 'internal')"
)


def failed_checks(connection: Connection, change: LiteralString) -> dict[str, str]:
    """The checks that fail, with what they say, when a database is compared with itself after a change.

    The change is rolled back; what it does to a sequence of PostgreSQL stays, as that is in no transaction.
    """
    before = _read(connection)
    with connection.transaction(force_rollback=True):
        connection.execute(change)
        found = compare_business(before, _read(connection), ["base", "account", "stock", "stock_account"])
    return {check.name: check.detail for check in found if check.outcome != "passed"}


def _read(connection: Connection) -> Business:
    return read_business(connection, read_number_sequences(connection))
