"""What forges tell by webhooks, and what is made of it."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from odoo_ops.model.base import Value
from odoo_ops.model.repository import Url

StatusForge = Literal["github", "gitlab", "gitea", "forgejo"]
Forge = Literal[StatusForge, "generic"]
Told = Literal["pending", "success", "unwell", "failure", "superseded"]

STANDARD_PREFIX = "whsec_"
COMMIT_OF_IMAGE = "{commit}"


def _readable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text.startswith(STANDARD_PREFIX):
        try:
            base64.b64decode(text.removeprefix(STANDARD_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("begins with whsec_, but what follows is not base64") from None
    return secret


class ReleaseRule(Value):
    """Which pushes are released to which environments."""

    repository: str = Field(min_length=1, description="Full name of the repository, such as acme/addons.")
    branch: str = Field(default="", description="Branch that is released; * stands for any text, as in release/*.")
    tag: str = Field(default="", description="Or tag that is released, such as v*.")
    environments: tuple[str, ...] = Field(min_length=1, description="Environments to which it is released.")
    image: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="For environments in containers: the image of Odoo that CI made of the commit, such as "
        "registry.example.com/acme/erp:{commit}.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.branch) == bool(self.tag):
            raise ValueError("names both branch and tag, or neither; a rule takes one of them")
        return self

    @model_validator(mode="after")
    def _image_of_the_commit(self) -> Self:
        if self.image and COMMIT_OF_IMAGE not in self.image:
            raise ValueError(f"its image has no {COMMIT_OF_IMAGE}, so every push would release the same one")
        return self

    @property
    def ref(self) -> str:
        """The pattern of git references for which it holds."""
        return f"refs/tags/{self.tag}" if self.tag else f"refs/heads/{self.branch}"

    def image_of(self, commit: str) -> str:
        """The image that is released for a commit; empty: the commit itself is."""
        return self.image.replace(COMMIT_OF_IMAGE, commit) if self.image else ""


class Source(Value):
    """A forge, or anything else that signs, whose pushes are released."""

    name: str = Field(description="Name of the source: the end of its Payload URL.", pattern=r"^[a-z0-9][a-z0-9-]*$")
    forge: Forge = Field(description="Who sends. `generic`: whoever signs as Standard Webhooks says.")
    secret: Annotated[SecretStr, AfterValidator(_readable)] = Field(
        min_length=16, description="The secret that both sides know; with `whsec_` in front, a key in base64."
    )
    token: SecretStr | None = Field(
        default=None, description="Access token for commit statuses. Empty: the forge is told nothing."
    )
    status_forge: StatusForge | None = Field(
        default=None,
        description="Of a generic source, such as CI: the forge with its commits, which takes `token` and shows their "
        "statuses.",
    )
    api: Url | None = Field(
        default=None, description="Address of the forge's API, such as https://git.example.com/api/v1."
    )
    rules: tuple[ReleaseRule, ...] = Field(min_length=1, description="What is released where.")
    deliveries_per_minute: int = Field(
        default=30_000, ge=1, description="More signed deliveries than that are refused (429)."
    )

    @model_validator(mode="after")
    def _told_somewhere(self) -> Self:
        if self.status_forge and self.forge != "generic":
            raise ValueError("names a status_forge, but its own forge shows the statuses; delete it")
        if self.token and self.told_forge == "generic":
            raise ValueError("has a token and no status_forge; write which forge has the commits, such as github")
        if self.status_forge and not self.token:
            raise ValueError("has a status_forge and no token, without which that takes no commit statuses; write it")
        if self.token and not self.api and self.told_forge in {"gitea", "forgejo"}:
            raise ValueError("has a token and no api; write the address, such as https://git.example.com/api/v1")
        return self

    @property
    def told_forge(self) -> Forge:
        """The forge that is told what became of a commit, where there is a token for it."""
        return self.status_forge or self.forge


class Push(Value):
    """A branch or a tag that was moved to a commit."""

    repository: str
    ref: str
    commit: str


class Accepted(Value):
    """A push that is to be released.

    Attributes:
        images: environments that get an image of the commit -> its name. Others get the commit itself.
    """

    push: Push
    environments: tuple[str, ...]
    images: Mapping[str, str] = {}


class Ignored(Value):
    """A delivery that asks for nothing here."""

    reason: str


class Delivery(Value):
    """What is queued of a delivery.

    Attributes:
        id: what the forge calls it, the same when it is sent again.
        body_digest: what tells a body that is played again under another id; None where the id is signed, too.
    """

    source: str
    id: str
    body_digest: str | None
    accepted: Accepted
    received_at: float


class QueuedRelease(Value):
    """One environment's part of a delivery.

    Attributes:
        image: of the commit; empty where the commit itself is released.
        state: `queued` until Prefect has a run, `pending` until that ended.
        run: id of the flow run.
        refusal: why Prefect makes none.
        received_at: when its delivery came, in seconds since 1970.
    """

    id: int
    source: str
    delivery: str
    environment: str
    push: Push
    image: str = ""
    state: Literal["queued"] | Told
    run: str | None = None
    refusal: str | None = None
    received_at: float
