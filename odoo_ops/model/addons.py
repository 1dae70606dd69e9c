"""Repositories of addons from which an environment is released."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from odoo_ops.model.base import Value
from odoo_ops.model.paths import AbsolutePath


def is_git_ref(value: str) -> bool:
    """Whether a text can be a branch, tag or commit (`git check-ref-format`), and never an option of a command."""
    bad = any(character.isspace() or character in '~^:?*[\\"' for character in value)
    ends = value.startswith(("-", "/", ".")) or value.endswith(("/", ".", ".lock"))
    return bool(value) and not (bad or ends or ".." in value or "@{" in value)


def _git_ref(value: str) -> str:
    if not is_git_ref(value):
        raise ValueError(f"{value!r} is no name of a branch, a tag or a commit")
    return value


GitRef = Annotated[str, AfterValidator(_git_ref)]
_URL = r"^(https?|ssh)://\S+$|^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:\S+$"
_PORTS = {"ssh": 22, "https": 443, "http": 80}
# a release's folder is called by all its commits: six of 40 digits, what stands between them and `.partial` are 253
# of the 255 characters that file systems take
MOST_MERGES = 5


def place_of(url: str) -> tuple[str, str]:
    """Server and path of a repository, which are the same however it is reached: by SSH, or by HTTPS.

    At a port of its own a server is another one: it may be another forge.
    """
    if "://" in url:
        parts, path = urlsplit(url), url.split("://")[1].partition("/")[2]
        usual = parts.port in (None, _PORTS[parts.scheme])
        server = f"{parts.hostname}" if usual else f"{parts.hostname}:{parts.port}"
    else:
        login, _, path = url.partition(":")
        server = login.rpartition("@")[2].lower()
    return server, path.removesuffix(".git").strip("/")


class MergedRef(Value):
    """What is merged into a repository of addons on the host, such as a pull request that nobody has merged yet."""

    ref: GitRef = Field(description="Branch, tag, commit or pull request (refs/pull/12/head).")
    url: str | None = Field(
        default=None,
        pattern=_URL,
        description="Another repository that has it, such as a fork: by https a public one, or one on the same server "
        "that the token may read, too; by SSH one that the key may read, and whose server is in known_hosts.",
    )


class AddonsRepository(Value):
    """A git repository of addons, and where an environment's Odoo finds it."""

    url: str = Field(
        pattern=_URL,
        description="As git takes it: ssh://git@git.example.com/ours.git, git@git.example.com:ours.git, "
        "https://git.example.com/ours.git. No password in it.",
    )
    ref: GitRef = Field(description="Branch, tag or commit that is released when no other is asked for.")
    merges: tuple[MergedRef, ...] = Field(
        default=(),
        max_length=MOST_MERGES,
        description="What is merged into it on the host before it is released, in this order.",
    )
    folder: AbsolutePath = Field(
        description="Link that a release makes, and leads to the released commit. Odoo's addons_path names it, or a "
        "folder in it. What was released lies beside it, in `.<its name>.releases`."
    )
    checks: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = Field(
        default=(),
        description="Programs that are run in a commit's folder on the host before it is released, for example "
        "[make, lint]. Each must end with status 0. Left out: `framework/validator/validate.py . --verbose`, by the "
        "host's Python, where the commit has that.",
    )
    pylint_odoo: bool = Field(
        default=False,
        description="Whether pylint-odoo must find nothing in its modules: what its `.pylintrc` chooses, else all. The "
        "host's Python must have it.",
    )
    audit: bool | None = Field(
        default=None,
        description="Whether its requirements.txt must be pinned, and pip-audit know of no vulnerability in it; where "
        "that gets no data, it is not measured. Left out: so it is, and where the host's Python has no pip-audit, that "
        "is not measured, either. With `true` it must have it; with `false` nothing is refused for it, and a release's "
        "page says what was not looked at.",
    )
    private_key: SecretStr | None = Field(default=None, description="Deploy key, for a repository reached by SSH.")
    known_hosts: str | None = Field(
        default=None,
        description="Its server's host keys, as `ssh-keyscan` prints them. Any other server is refused.",
    )
    token: SecretStr | None = Field(
        default=None, description="Access token, for a private repository reached by HTTPS."
    )

    @model_validator(mode="after")
    def _fits_its_url(self) -> "AddonsRepository":
        by_http = self.url.startswith("http")
        if self.token and not by_http:
            raise ValueError("a token is for a repository reached by https; by SSH it is a private_key")
        if self.private_key and by_http:
            raise ValueError("a private_key is for a repository reached by SSH; by https it is a token")
        if self.private_key and not self.known_hosts:
            raise ValueError("known_hosts is missing: without it any server could give other addons")
        urls = (self.url, *(merged.url or "" for merged in self.merges))
        if any(url.startswith("http") and "@" in url.split("/")[2] for url in urls):
            raise ValueError("a password in the address would be seen by everybody: give it as token")
        return self

    @property
    def name(self) -> str:
        """What operators call it: the last part of its folder."""
        return self.folder.rpartition("/")[2]

    @property
    def full_name(self) -> str:
        """What its forge calls it, such as acme/addons: the path of its address."""
        return place_of(self.url)[1]

    @property
    def store(self) -> str:
        """Folder of all commits that were released."""
        return f"{self.folder.rpartition('/')[0]}/.{self.name}.releases"


class ReleasePolicy(Value):
    """What is released to an environment, and what a release must stand."""

    addons: tuple[AddonsRepository, ...] = Field(
        default=(), description="Repositories of addons. In containers they are in the image, so there are none."
    )
    approval: bool | None = Field(
        default=None,
        description="Whether a release waits until somebody approves its plan. Left out: in production it does.",
    )
    downtime_budget_seconds: int = Field(
        default=3600, ge=10, description="An update of modules that takes longer is ended, and all is as before."
    )
    forecast: bool = Field(
        default=False,
        description="Whether an update of modules is tried out first, on a neutralised copy of the backup, while "
        "people go on working. One that fails, or takes longer than the budget, is not released.",
    )
    smoke_paths: tuple[Annotated[str, Field(pattern=r"^/\S*$")], ...] = Field(
        default=(),
        description="Pages that must answer with status 200 before and after users come to a release, such as /shop.",
    )
    smoke_models: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_.]+$")], ...] = Field(
        default=(),
        description="Models of which records must be readable by RPC, for example sale.order: on a forecast's copy by "
        "an administrator, and on the release itself by smoke_login, before and after people come to it.",
    )
    smoke_login: str | None = Field(
        default=None,
        min_length=1,
        description="User of your own who reads smoke_models on the release itself; one who may only read.",
    )
    smoke_password: SecretStr | None = Field(default=None, description="That user's password.")
    test_tags: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="Tests of Odoo (`--test-tags`) of the updated modules that must pass on a forecast's copy, for "
        "example /shelf or post_install.",
    )
    keep_releases: int = Field(
        default=3, ge=1, description="So many former commits of each repository stay, or images."
    )

    @model_validator(mode="after")
    def _has_a_copy_to_write_to(self) -> "ReleasePolicy":
        if self.test_tags and not self.forecast:
            raise ValueError("test_tags write to a copy, and only `forecast: true` makes one for it")
        if self.smoke_models and not (self.forecast or self.smoke_login):
            raise ValueError("nobody reads smoke_models: name a smoke_login, or choose `forecast: true`")
        if bool(self.smoke_login) != bool(self.smoke_password):
            raise ValueError("one of smoke_login and smoke_password is missing")
        return self

    @model_validator(mode="after")
    def _places_differ(self) -> "ReleasePolicy":
        names = [repository.name for repository in self.addons]
        if len(set(names)) != len(names):
            raise ValueError("the folders of two repositories have the same last part, by which they are called")
        return self
