"""A copy of an environment's database: what makes it harmless, and who it is."""

from pydantic import SecretStr

from odoo_ops.model.base import Value


class Neutralization(Value):
    """What an Odoo program says about neutralising a database.

    Attributes:
        series: the program's own series, such as `19.0`.
        missing: installed modules that are not on its disk; their statements would be left out silently.
        queries: SQL of each module's `data/neutralize.sql`.
    """

    series: str
    missing: tuple[str, ...]
    queries: tuple[str, ...]


class CopyIdentity(Value):
    """Parameters by which a copy differs from its original: `database.uuid`, `database.secret`, `web.base.url`."""

    uuid: str
    secret: SecretStr
    base_url: str
