"""Which commits of addons an Odoo runs with."""

from collections.abc import Callable

from odoo_ops.commands import git
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.revisions import is_exact
from odoo_ops.runtimes.runtime import Runtime


def read_addons_commits(runtime: Runtime, warn: Callable[[str], None]) -> dict[str, str]:
    """The commit of each folder of addons that is a git work tree; of one that git cannot read, none.

    Where a release merged others onto it, all of them: what came of that is on no server. No backup fails for this: it
    is put on record for whoever must find the right addons again. `warn` gets what cannot be read.
    """
    commits = {}
    merged = _merged_revisions(runtime)
    for folder in runtime.environment.odoo.addons:
        if above := [link for link in merged if f"{folder}/".startswith(f"{link}/")]:
            commits[folder] = merged[above[0]]
        elif runtime.host.call("describe_path", path=f"{folder}/.git")["exists"]:
            try:
                commits[folder] = runtime.host.run(git.current_commit(folder)).stdout.strip()
            except (CommandFailed, PreconditionFailed) as error:
                warn(f"The commit of {folder} is not put on record: {error}")
    return commits


def _merged_revisions(runtime: Runtime) -> dict[str, str]:
    """Links of addons that lead to a commit with others merged onto it -> that revision."""
    policy = runtime.environment.release
    links = [repository.folder for repository in policy.addons] if policy else []
    leads = {link: runtime.host.call("read_link", path=link) or "" for link in links}
    names = {link: folder.rpartition("/")[2] for link, folder in leads.items()}
    return {link: name for link, name in names.items() if is_exact(name)}
