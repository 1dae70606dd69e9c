"""What the business sees in a database: sums of its books and its stock, the next numbers of its documents."""

from typing import Literal

from odoo_ops.model.base import Value

Subject = Literal[
    "trial balance", "open items", "document numbers", "stock quantities", "stock valuation", "number sequences"
]


class Figures(Value):
    """One subject, measured. Every figure is an exact decimal as text, such as `302673.57`.

    Attributes:
        names: what the figures of a detail are, in their order.
        totals: figures by name, of what a manager asks for, such as a company.
        lines: how many details there are, such as accounts.
        sha256: over all of them; where it is equal, every one is equal.
        details: the first of them, by what they are about; of large databases not all are kept.
    """

    names: tuple[str, ...]
    totals: dict[str, dict[str, str]]
    lines: int
    sha256: str
    details: dict[str, tuple[str, ...]]


class Business(Value):
    """Every subject is in one of both: with its figures, or with the reason why it has none."""

    measured: dict[Subject, Figures]
    unmeasured: dict[Subject, str]


class BusinessLine(Value):
    """One line of a report: the totals of a subject, and how they came out."""

    subject: str
    total: str
    figures: str
    outcome: str
