"""Where Odoo keeps the figures of the business: tables, columns, and the query that sums them up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from odoo_ops.model.business import Subject


@dataclass(frozen=True)
class Source:
    """Where a subject's figures are.

    Attributes:
        columns: the columns that must be there, by table.
        names: what the figures are: further columns of `lines`.
        lines: a query that gives company_id and kind, by one of which it is summed up, a unique line, the figures.
        summed: those of the figures whose sum means something; empty: all.
    """

    columns: Mapping[str, tuple[str, ...]]
    names: tuple[LiteralString, ...]
    lines: LiteralString
    summed: tuple[LiteralString, ...] = ()


_POSTED = ("move_id", "account_id", "company_id", "parent_state", "debit", "credit", "balance", "amount_residual")
_MOVED = ("company_id", "product_id", "state", "value", "is_in", "is_out")
# `to_jsonb(row) -> 'column'` is null where a version has no such column
_TRIAL_BALANCE = Source(
    columns={"account_move_line": _POSTED, "account_account": ("name",)},
    names=("debit", "credit", "balance", "entries"),
    lines="""
SELECT s.company_id, NULL AS kind,
       concat_ws(' ', coalesce(to_jsonb(a) -> 'code_store' ->> s.company_id::text, to_jsonb(a) ->> 'code'),
                 coalesce(to_jsonb(a.name) ->> 'en_US', to_jsonb(a.name) #>> '{}'),
                 '(account.account ' || s.account_id || ', res.company ' || s.company_id || ')') AS line,
       s.debit, s.credit, s.balance, s.entries
FROM (SELECT company_id, account_id, sum(debit::numeric) AS debit, sum(credit::numeric) AS credit,
             sum(balance::numeric) AS balance, count(*)::numeric AS entries
      FROM account_move_line WHERE parent_state = 'posted' AND account_id IS NOT NULL GROUP BY 1, 2) s
LEFT JOIN account_account a ON a.id = s.account_id
""",
)

_OPEN_ITEMS = Source(
    columns={"account_move_line": (*_POSTED, "partner_id"), "account_account": ("account_type",)},
    names=("receivable", "payable", "open entries"),
    lines="""
SELECT s.company_id, NULL AS kind,
       coalesce('res.partner ' || s.partner_id, 'no partner') || ', res.company ' || s.company_id AS line,
       s."receivable", s."payable", s."open entries"
FROM (SELECT l.company_id, l.partner_id,
             coalesce(sum(l.amount_residual::numeric) FILTER (WHERE a.account_type = 'asset_receivable'), 0)
                 AS "receivable",
             coalesce(sum(l.amount_residual::numeric) FILTER (WHERE a.account_type = 'liability_payable'), 0)
                 AS "payable",
             count(*) FILTER (WHERE l.amount_residual <> 0)::numeric AS "open entries"
      FROM account_move_line l JOIN account_account a ON a.id = l.account_id
      WHERE l.parent_state = 'posted' AND a.account_type IN ('asset_receivable', 'liability_payable')
      GROUP BY 1, 2) s
""",
)

_DOCUMENT_NUMBERS = Source(
    columns={
        "account_move": ("state", "journal_id", "sequence_prefix", "sequence_number"),
        "account_journal": ("code", "type"),
    },
    names=("documents", "last number"),
    summed=("documents",),
    lines="""
SELECT NULL::int AS company_id, j.type AS kind,
       j.code || ' ' || coalesce(s.prefix, '') || ' (account.journal ' || j.id || ')' AS line,
       s."documents", s."last number"
FROM (SELECT journal_id, sequence_prefix AS prefix, count(*)::numeric AS "documents",
             coalesce(max(sequence_number), 0)::numeric AS "last number"
      FROM account_move WHERE state = 'posted' GROUP BY 1, 2) s
JOIN account_journal j ON j.id = s.journal_id
""",
)

_STOCK_QUANTITIES = Source(
    columns={
        "stock_quant": ("product_id", "location_id", "lot_id", "quantity", "reserved_quantity"),
        "stock_location": ("usage", "complete_name"),
    },
    names=("quantity", "reserved"),
    lines="""
SELECT NULL::int AS company_id, p.usage AS kind,
       concat_ws(', ', 'product.product ' || s.product_id || ' in ' || coalesce(p.complete_name, ''),
                 'stock.location ' || s.location_id, 'stock.lot ' || s.lot_id) AS line,
       s.quantity, s.reserved
FROM (SELECT product_id, location_id, lot_id, sum(quantity::numeric) AS quantity,
             sum(coalesce(reserved_quantity, 0)::numeric) AS reserved
      FROM stock_quant GROUP BY 1, 2, 3) s
JOIN stock_location p ON p.id = s.location_id
""",
)

_VALUATION_LAYERS = Source(
    columns={"stock_valuation_layer": ("company_id", "product_id", "value", "quantity", "remaining_value")},
    names=("value", "quantity", "remaining value"),
    lines="""
SELECT s.company_id, NULL AS kind,
       'product.product ' || s.product_id || ', res.company ' || s.company_id AS line,
       s."value", s."quantity", s."remaining value"
FROM (SELECT company_id, product_id, coalesce(sum(value::numeric), 0) AS "value",
             coalesce(sum(quantity::numeric), 0) AS "quantity",
             coalesce(sum(remaining_value::numeric), 0) AS "remaining value"
      FROM stock_valuation_layer GROUP BY 1, 2) s
""",
)

# Odoo 19 has no layers. It computes the value when it is asked, from moves, corrections and cost prices.
_VALUED_MOVES = Source(
    columns={
        "stock_move": _MOVED,
        "product_value": ("company_id", "product_id", "value"),
        "product_product": ("standard_price",),
        "stock_quant": ("company_id", "product_id", "location_id", "owner_id", "quantity"),
        "stock_location": ("usage",),
    },
    names=("on hand at cost", "received", "issued", "corrections"),
    lines="""
SELECT s.company_id, NULL AS kind,
       coalesce('product.product ' || s.product_id, 'no product') || ', res.company ' || s.company_id AS line,
       sum(s.cost) AS "on hand at cost", sum(s.received) AS "received", sum(s.issued) AS "issued",
       sum(s.corrections) AS "corrections"
FROM (
    SELECT company_id, product_id, 0::numeric AS cost,
           coalesce(sum(value::numeric) FILTER (WHERE is_in), 0) AS received,
           coalesce(sum(value::numeric) FILTER (WHERE is_out), 0) AS issued, 0::numeric AS corrections
    FROM stock_move WHERE state = 'done' AND (is_in OR is_out) GROUP BY 1, 2
    UNION ALL
    SELECT company_id, product_id, 0, 0, 0, coalesce(sum(value::numeric), 0) FROM product_value GROUP BY 1, 2
    UNION ALL
    SELECT q.company_id, q.product_id,
           sum(q.quantity::numeric * coalesce((to_jsonb(p.standard_price) ->> q.company_id::text)::numeric, 0)),
           0, 0, 0
    FROM stock_quant q JOIN stock_location l ON l.id = q.location_id JOIN product_product p ON p.id = q.product_id
    JOIN res_company c ON c.id = q.company_id
    WHERE l.usage IN ('internal', 'transit') AND (q.owner_id IS NULL OR q.owner_id = c.partner_id) GROUP BY 1, 2
) s GROUP BY s.company_id, s.product_id
""",
)

# the first whose tables and columns are there is asked
SOURCES: Mapping[Subject, tuple[Source, ...]] = {
    "trial balance": (_TRIAL_BALANCE,),
    "open items": (_OPEN_ITEMS,),
    "document numbers": (_DOCUMENT_NUMBERS,),
    "stock quantities": (_STOCK_QUANTITIES,),
    "stock valuation": (_VALUATION_LAYERS, _VALUED_MOVES),
}
