"""Commands of git: repositories are fetched with what the environment says; of a login only its git settings count."""

import base64
import shlex
from hashlib import sha256
from urllib.parse import urlsplit

from pydantic import SecretStr

from odoo_ops.model.addons import AddonsRepository
from odoo_ops.model.command import Command, placed

_NEXT_STEP = (
    "see that the repository's address and the ref are right, and that its key or token is valid and may read it"
)


def current_commit(folder: str) -> Command:
    """Print the commit of a work tree, whoever owns it (git refuses that of another user otherwise)."""
    return Command(argv=("git", "-c", f"safe.directory={folder}", "-C", folder, "rev-parse", "HEAD"))


def list_refs(repository: AddonsRepository, ref: str, url: str | None = None) -> Command:
    """Print commit and full name of each branch and tag that may be meant; `commit_of` reads it.

    `url`: another repository that is asked instead, with this one's key or token.
    """
    return _of_remote(repository, "ls-remote", "--", url or repository.url, *_names_of(ref))


def commit_of(output: str, ref: str) -> str | None:
    """The commit of a ref out of what `list_refs` printed; None: there is no such.

    A tag's comes before a branch's, as git does it, where the ref is no whole name, such as refs/heads/main.
    """
    commits = {name: commit for commit, _, name in (line.partition("\t") for line in output.splitlines())}
    return next((commits[name] for name in _names_of(ref) if name in commits), None)


def _names_of(ref: str) -> tuple[str, ...]:
    """What git may mean by it, and of an annotated tag (`^{}`) the commit before the tag itself."""
    if ref.startswith("refs/"):
        return (f"{ref}^{{}}", ref)
    return (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", ref)


def create(folder: str) -> Command:
    """Make an empty repository."""
    return Command(argv=("git", "init", "--quiet", folder), without=("GIT_",))


def name_origin(folder: str, repository: AddonsRepository) -> Command:
    """Say where a repository comes from: submodules whose address is relative are beside it."""
    return Command(argv=("git", "-C", folder, "remote", "add", "origin", "--", repository.url), without=("GIT_",))


def fetch_commit(folder: str, repository: AddonsRepository, commit: str) -> Command:
    """Fetch one commit without its history."""
    return _of_remote(repository, "-C", folder, "fetch", "--quiet", "--depth=1", "origin", commit)


def fetch_history(folder: str, repository: AddonsRepository, commit: str, url: str | None = None) -> Command:
    """Fetch one commit with its history, without which nothing can be merged; `url`: from another repository.

    It gets a ref: by those git tells a server what it has, so that only what is new comes with the next one.
    """
    kept = f"{commit}:refs/odoo-ops/{commit}"
    return _of_remote(repository, "-C", folder, "fetch", "--quiet", "--no-tags", "--", url or repository.url, kept)


def fetch_all(folder: str, repository: AddonsRepository, url: str | None = None) -> Command:
    """Fetch all branches and tags with their history; `url`: of another repository.

    Each repository's have a place of their own: `a` of one and `a/b` of another cannot be in the same one.
    """
    remote = url or repository.url
    place = f"refs/odoo-ops/{sha256(remote.encode()).hexdigest()[:12]}"
    kept = (f"+refs/{kind}/*:{place}/{kind}/*" for kind in ("heads", "tags"))
    return _of_remote(repository, "-C", folder, "fetch", "--quiet", "--no-tags", "--", remote, *kept)


def merge(folder: str, commit: str, merged: str) -> Command:
    """Merge a fetched commit into what is checked out; `merged` is what people call it.

    Name and time are always the same, and no setting of the login's has a say in it, so that equal commits make an
    equal one on every host.
    """
    moment = "2000-01-01T00:00:00Z"
    return Command(
        argv=(
            *("git", "-C", folder, "-c", "user.name=odoo-ops", "-c", "user.email=odoo-ops@localhost"),
            *("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null", "-c", "rerere.enabled=false"),
            *("merge", "--quiet", "--no-ff", "--no-edit", "--no-log", "--no-verify-signatures"),
            *(f"--message=Merge {commit}", commit),
        ),
        environment={"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment},
        without=("GIT_",),
        next_step=f"bring {merged} up to date with what it is merged into, or take it out of the repository's `merges`",
    )


def check_out(folder: str, commit: str) -> Command:
    """Put the files of a commit in place."""
    return Command(
        argv=("git", "-C", folder, "checkout", "--quiet", "--detach", commit),
        without=("GIT_",),
        next_step="see that a branch or a tag of the repository leads to this commit, or past it",
    )


def fetch_submodules(folder: str, repository: AddonsRepository) -> Command:
    """Fetch the submodules of what is checked out, and theirs."""
    words = ("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    return _of_remote(repository, "-C", folder, *words)


def print_file(folder: str, path: str) -> Command:
    """Print a file as it is in the commit that is checked out; `text_of` reads it."""
    return Command(
        argv=("git", "-C", folder, "cat-file", "--batch=%(objecttype)", "--follow-symlinks"),
        stdin=SecretStr(f"HEAD:{path}\n"),
        without=("GIT_",),
    )


def text_of(output: str) -> str | None:
    """What `print_file` printed; None for what is no file of the commit, such as a link that leads out of it."""
    kind, _, text = output.partition("\n")
    return text.removesuffix("\n") if kind == "blob" else None


def list_changes(folder: str) -> Command:
    """Print the files of a commit that are not as they were checked out, one a line."""
    return Command(argv=("git", "-C", folder, "diff", "--name-only", "HEAD"), without=("GIT_",))


def remove_added(folder: str) -> Command:
    """Delete all that is not a commit's, ignored files and other repositories too."""
    return Command(argv=("git", "-C", folder, *_CLEAN), without=("GIT_",))


def remove_added_to_submodules(folder: str) -> Command:
    """The same in the submodules of a commit, and theirs."""
    each = ("submodule", "--quiet", "foreach", "--recursive", shlex.join(("git", *_CLEAN)))
    return Command(argv=("git", "-C", folder, *each), without=("GIT_",))


_CLEAN = ("clean", "--quiet", "-ffdx")


def let_read(folder: str) -> Command:
    """Let every user of the host read what was checked out: Odoo is mostly another one than who fetched it."""
    return Command(argv=("chmod", "--recursive", "a+rX", folder))


def _of_remote(repository: AddonsRepository, *arguments: str) -> Command:
    """A command that may ask the repository's server; it asks no person."""
    environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
    secrets, files = {}, {}
    if repository.token:
        environment |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{_server(repository.url)}.extraHeader"}
        secrets["GIT_CONFIG_VALUE_0"] = _authorization(repository.token)
    if repository.private_key:
        environment["GIT_SSH_COMMAND"] = shlex.join(_SSH)
        files = {"private_key": repository.private_key, "known_hosts": SecretStr(repository.known_hosts or "")}
    return Command(
        argv=("git", *arguments),
        environment=environment,
        secrets=secrets,
        files=files,
        without=("GIT_", "SSH_AUTH_SOCK"),
        next_step=_NEXT_STEP,
    )


# git gives this to a shell (gitcore-config, core.sshCommand)
_SSH = (
    *("ssh", "-F", "none", "-i", placed("private_key")),
    *(
        word
        for option in (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={placed('known_hosts')}",
            "GlobalKnownHostsFile=none",
        )
        for word in ("-o", option)
    ),
)


def _server(url: str) -> str:
    """The part of an address that is the server's: the token goes there, and to no submodule's elsewhere."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _authorization(token: SecretStr) -> SecretStr:
    """GitHub, GitLab, Gitea and Forgejo take a token as a password, whoever the user is."""
    credentials = base64.b64encode(f"x-access-token:{token.get_secret_value()}".encode()).decode()
    return SecretStr(f"Authorization: Basic {credentials}")
