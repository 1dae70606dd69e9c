"""Read what was registered, or say why that cannot be."""

from typing import TypeVar, cast

from prefect.blocks.core import Block

from odoo_ops.errors import PreconditionFailed

BlockT = TypeVar("BlockT", bound=Block)


def load_registered(block: type[BlockT], what: str, name: str) -> BlockT:
    """The block that is registered under a name; `what` is how operators call such a one.

    Raises PreconditionFailed when there is none, or none that this version can read.
    """
    try:
        return cast("BlockT", block.load(name))
    except ValueError as error:
        raise PreconditionFailed(
            f"No {what} named {name!r} is registered ({error}). "
            "Next step: run `odoo-ops environments register`, or correct the name."
        ) from error
    except RuntimeError:  # what Prefect makes of values that do not fit; its cause repeats them, secrets too
        raise PreconditionFailed(
            f"The {what} {name!r}, or what it refers to, was saved in Prefect by another version or by hand, and this "
            "version cannot read it. Next step: `odoo-ops environments register`."
        ) from None
