"""Write the CI of an addons repository: what its forge runs before a release."""

from pathlib import Path

from pydantic import ValidationError

from odoo_ops.commands.registries import login_server
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.pipelines import Forge, Pipeline
from odoo_ops.render import render

# where each forge looks for it in a repository, and its template
_PLACES = {
    Forge.GITHUB: (".github/workflows/odoo.yml", "ci/github.yml"),
    Forge.GITLAB: (".gitlab-ci.yml", "ci/gitlab.yml"),
    Forge.JENKINS: ("Jenkinsfile", "ci/Jenkinsfile"),
}
# of actions/checkout: a tag may be moved, a commit not
_CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"


def rendered_ci(forge: Forge, **wanted: object) -> str:
    """The CI of a repository (`Pipeline` says what `wanted` may hold). Raises PreconditionFailed for a wrong value."""
    try:
        pipeline = Pipeline.model_validate(wanted)
    except ValidationError as error:
        first = error.errors()[0]
        raise PreconditionFailed(f"{first['loc'][0]}: {first['msg']}. Nothing was written.") from None
    server = login_server(pipeline.image or "")
    return render(_PLACES[forge][1], pipeline=pipeline, checkout=_CHECKOUT, server=server)


def write_ci(forge: Forge, text: str, output: Path, *, force: bool) -> tuple[Path, bool]:
    """Write the CI into a file, or into a repository's folder, where the forge looks for it.

    Returns:
        The file, and whether it was changed.

    Raises:
        Refused: a file of other content is there, and `force` is not given.
        PreconditionFailed: it cannot be read or written.
    """
    file = output / _PLACES[forge][0] if output.is_dir() else output
    try:
        present = file.read_text(encoding="utf-8") if file.exists() else None
        if present == text:
            return file, False
        if present is not None and not force:
            raise Refused(
                f"{file} is there with other content and was not replaced. Next step: look at the difference "
                "(without --output the new text is only printed), then give --force."
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PreconditionFailed(f"{file} cannot be read or written: {error}. Next step: name another file.") from None
    return file, True
