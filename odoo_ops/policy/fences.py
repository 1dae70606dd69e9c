"""What a flow may do to which environment."""

from odoo_ops.errors import Refused
from odoo_ops.model.environment import Environment
from odoo_ops.model.manifest import Manifest


def refuse_restore(environment: Environment, confirm_production: str) -> None:
    """Let a restore pass or raise Refused: over production only when it is named once more."""
    if environment.stage == "production" and confirm_production != environment.name:
        raise Refused(
            f"{environment.name} is production: what is there now would be replaced. Nothing was changed. "
            f"Next step: if you mean it, run again with confirm_production = {environment.name}"
        )


def refuse_manifest(manifest: Manifest, source: Environment) -> None:
    """Raise Refused when a snapshot's manifest is not of the environment it was asked for."""
    if (manifest.environment, manifest.database) != (source.name, source.database.name):
        raise Refused(
            f"The snapshot holds {manifest.environment} (database {manifest.database!r}), not {source.name} "
            f"(database {source.database.name!r}). Nothing was changed. Next step: name another snapshot."
        )


def refuse_identity(marker: dict[str, str], found: dict[str, str], environment: str) -> None:
    """Compare what an environment was when first seen with what is found now; raise Refused if they differ.

    Keys that either side does not have (a database that was lost) are not compared.
    """
    differences = [
        f"{key} was {marker[key]} and is {found[key]}"
        for key in sorted(marker.keys() & found.keys())
        if marker[key] != found[key]
    ]
    if differences:
        raise Refused(
            f"This is not the {environment} that was seen before: {'; '.join(differences)}. Nothing was changed. "
            "Next step: correct the environment file; or, if PostgreSQL or the database was really replaced, "
            "delete `marker.json` in the environment's state_dir and run again."
        )
