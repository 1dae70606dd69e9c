"""The data of the demo: partners and attachments made over Odoo's own interface, and a digest of them all."""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from deployments.demo.odoo_client import OdooClient
from odoo_ops.model.base import Value

PARTNERS = 1000
SCANS = 120
LETTERS = 30
_SCAN_BYTES = 250_000
_LETTER_BYTES = 40_000
_REQUEST_FILES = 20
_WORDS = ("invoice", "delivery", "warehouse", "customer", "payment", "reminder", "contract", "offer", "price", "order")


class Contents(Value):
    """What Odoo shows of the demo's data.

    Attributes:
        names: digest of every partner's id and name.
        content: digest of every attachment's id, name and whole content.
    """

    partners: int
    names: str
    files: int
    content: str


def create_data(odoo: OdooClient) -> str:
    """The state before the first night. Returns what was made, in words."""
    partners = odoo.call("res.partner", "create", [{"name": f"Partner {number:04}"} for number in range(PARTNERS)])
    scans = [(f"scan {number:03}.bin", scan(number)) for number in range(SCANS)]
    letters = [(f"letter {number:03}.txt", letter(number)) for number in range(LETTERS)]
    attach(odoo, partners, [*scans, *letters])
    return f"{len(partners)} partners and {len(scans) + len(letters)} attachments made"


def change_data(odoo: OdooClient) -> str:
    """A day's work. Returns what was done, in words."""
    renamed = odoo.call("res.partner", "search", [["name", "=like", "Partner 00%"]])
    odoo.call("res.partner", "write", renamed, {"name": "Renamed partner"})
    added = odoo.call("res.partner", "create", [{"name": f"New partner {number:02}"} for number in range(20)])
    files = [(f"scan {number:03}.bin", scan(number)) for number in range(SCANS, SCANS + 5)]
    attach(odoo, added, files)
    return f"{len(renamed)} partners renamed, {len(added)} added, {len(files)} attachments added"


def attach(odoo: OdooClient, partners: Sequence[int], files: Sequence[tuple[str, bytes]]) -> None:
    """Attach files to partners, one each, some in a request."""
    values = [
        {"name": name, "datas": base64.b64encode(content).decode(), "res_model": "res.partner", "res_id": partner}
        for partner, (name, content) in zip(partners, files, strict=False)
    ]
    for begin in range(0, len(values), _REQUEST_FILES):
        odoo.call("ir.attachment", "create", values[begin : begin + _REQUEST_FILES])


def read_contents(odoo: OdooClient) -> Contents:
    """Read every partner's name and every attachment's whole content, through Odoo."""
    everyone = {"active_test": False}
    partners = odoo.call("res.partner", "search_read", [], ["name"], order="id", context=everyone)
    ours = [["res_model", "=", "res.partner"], ["res_field", "=", False]]
    attachments = odoo.call("ir.attachment", "search_read", ours, ["name"], order="id")
    files = ((str(row["id"]), row["name"], _sha1(odoo.file(row["id"]))) for row in attachments)
    return Contents(
        partners=len(partners),
        names=digest((str(row["id"]), row["name"]) for row in partners),
        files=len(attachments),
        content=digest(files),
    )


def digest(rows: Iterable[Sequence[str]]) -> str:
    """One digest of rows of text, in their order; where one text ends and the next begins counts too."""
    total = hashlib.sha256()
    for row in rows:
        total.update(repr(tuple(row)).encode())
    return total.hexdigest()


def differences(before: Contents, after: Contents) -> list[str]:
    """What is not as it was, in words."""
    return [
        f"{name}: {getattr(before, name)} before, {getattr(after, name)} now"
        for name in Contents.model_fields
        if getattr(before, name) != getattr(after, name)
    ]


def scan(number: int) -> bytes:
    """A file that cannot be compressed, as scans and photographs cannot; always the same for a number."""
    return hashlib.shake_256(f"scan {number}".encode()).digest(_SCAN_BYTES)


def letter(number: int) -> bytes:
    """A text; always the same for a number."""
    choices = hashlib.shake_256(f"letter {number}".encode()).digest(_LETTER_BYTES // 8)
    return " ".join(_WORDS[choice % len(_WORDS)] for choice in choices).encode()


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
