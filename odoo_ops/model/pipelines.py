"""What the CI of an addons repository does."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from odoo_ops.model.base import Value
from odoo_ops.model.provision import Image

# They are written into YAML, Groovy and shell: no character of them means anything there.
Series = Annotated[str, Field(pattern=r"^(1[89]|[2-9][0-9])\.[0-9]$")]
Branch = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9/][A-Za-z0-9._/-]*$")]
Version = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
# words of a shell without quotes: whoever needs more writes a script into the repository
Check = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/=:,+@ -]*$")]
# without a tag: the commit is its tag
Repository = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)+$")]


class Forge(StrEnum):
    """Whose CI it is."""

    GITHUB = "github"
    GITLAB = "gitlab"
    JENKINS = "jenkins"


class Pipeline(Value):
    """Lint, test on a real PostgreSQL, build if asked, then call the webhook.

    Attributes:
        series: of Odoo, such as 19.0.
        odoo_image: in which the addons are tested; empty: the official one of the series.
        postgres_image: as the official `postgres`.
        python_image: with Python and its pip.
        pylint_odoo: version of pylint-odoo.
        pip_audit: version of pip-audit.
        checks: the repository's own commands, each of which must end with status 0.
        branches: whose pushes are tested, built and told; other changes are tested as they are proposed.
        tags: the same for every tag that is pushed.
        addons: further folders of addons, in the repository (a submodule) or in Odoo's image. They are not tested.
        submodules: fetch the repository's submodules.
        image: where the image with the addons is pushed, without a tag; empty: none is built.
        call: tell the webhook receiver of what passed.
    """

    series: Series = "19.0"
    odoo_image: Image | None = None
    postgres_image: Image = "postgres:17"
    python_image: Image = "python:3.12-slim"
    pylint_odoo: Version = "10.0.12"
    pip_audit: Version = "2.10.1"
    checks: tuple[Check, ...] = ()
    branches: tuple[Branch, ...] = Field(default=("main",), min_length=1)
    tags: bool = False
    addons: tuple[Folder, ...] = ()
    submodules: bool = False
    image: Repository | None = None
    call: bool = True

    @property
    def tested_in(self) -> str:
        """The image in which the addons are tested."""
        return self.odoo_image or f"odoo:{self.series}"
