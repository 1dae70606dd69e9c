"""What of an environment's odoo.conf an Odoo on a copy may use."""

import configparser
from collections.abc import Sequence

from odoo_ops.errors import PreconditionFailed

# Everything that is not named here stays behind: ports, database, mail server, workers, scheduled actions, and
# server-wide modules (a runner of queued jobs, a session store that production uses).
_KEPT = (
    "upgrade_path",
    "pre_upgrade_scripts",
    "limit_memory_hard",
    "limit_memory_soft",
    "limit_time_cpu",
    "limit_time_real",
)


def options_for_copy(text: str | None, own_addons: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The addons path and the other options that a copy's configuration takes over.

    Args:
        text: the environment's odoo.conf; None: there is none.
        own_addons: the environment's folders of addons; those in odoo.conf come first.

    Raises:
        PreconditionFailed: the text is not a configuration file.
    """
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text or "")
    except configparser.Error as error:
        raise PreconditionFailed(
            f"odoo.conf cannot be read: {type(error).__name__}. Nothing was changed. Next step: correct it."
        ) from None
    options = dict(parser["options"]) if parser.has_section("options") else {}
    named = [folder.strip() for folder in options.get("addons_path", "").split(",") if folder.strip()]
    addons = list(dict.fromkeys([*named, *own_addons]))
    return addons, {name: options[name] for name in _KEPT if options.get(name)}
