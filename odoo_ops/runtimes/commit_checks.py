"""What programs say of a commit of addons that is on its host and not in place yet."""

from collections.abc import Callable, Sequence

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import commit_checks, git
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.addons import AddonsRepository
from odoo_ops.model.checks import Check, first_of
from odoo_ops.model.command import Command
from odoo_ops.policy import commit_checks as policy
from odoo_ops.runtimes.runtime import Runtime

_CHECK_SECONDS = 1800
_REQUIREMENTS = "requirements.txt"
_VALIDATOR = "framework/validator/validate.py"


def check_commit(
    runtime: Runtime,
    repository: AddonsRepository,
    checkout: str,
    foreign: Callable[[], HostAdapter],
    show: Callable[[str], None],
) -> list[Check]:
    """What pylint-odoo, pip-audit and the repository's own programs say of a commit, as far as its repository asks.

    `foreign` gives where programs of the commit are run; only they are asked for it. All that pylint says is shown,
    line by line. Where no audit is made, what is not looked at is said. Never raises for what they find. What they
    added, such as a report, is deleted: it would be released under the commit's name. A commit that they changed is
    fetched again by the next run.
    """
    checks = [_linted(runtime, foreign, repository, checkout, show)] if repository.pylint_odoo else []
    checks += _audited(runtime, repository, checkout)
    checks += [_judged(foreign, repository, words, checkout) for words in _programs(runtime, repository, checkout)]
    if checks and (changed := _changed(runtime, checkout)):
        runtime.machine.call("remove_tree", path=checkout)
        name = f"{repository.name}: the commit is as it was"
        return [*checks, Check(name=name, outcome="failed", detail=f"its checks changed {first_of(changed)}")]
    return checks


def check_pinned(runtime: Runtime, repository: AddonsRepository, checkout: str) -> list[Check]:
    """Whether requirements are pinned, unless the repository is not audited: its file is read, and no program run."""
    if repository.audit is False or not _is_there(runtime, checkout, _REQUIREMENTS):
        return []
    return [policy.judge_pinned(f"{repository.name}: requirements are pinned", _requirements(runtime, checkout))]


def _requirements(runtime: Runtime, checkout: str) -> str | None:
    """Text of a commit's requirements.txt; None where that is a link that leads out of the commit."""
    return git.text_of(runtime.machine.run(git.print_file(checkout, _REQUIREMENTS)).stdout)


def _changed(runtime: Runtime, checkout: str) -> list[str]:
    """Files of a commit that are not as they were; all that is not the commit's is deleted."""
    for command in (git.remove_added(checkout), git.remove_added_to_submodules(checkout)):
        runtime.machine.run(command)
    return runtime.machine.run(git.list_changes(checkout)).stdout.splitlines()


def _is_there(runtime: Runtime, checkout: str, file: str) -> bool:
    return bool(runtime.machine.call("describe_path", path=f"{checkout}/{file}")["exists"])


def _programs(runtime: Runtime, repository: AddonsRepository, checkout: str) -> Sequence[tuple[str, ...]]:
    """The programs that the environment names; where it names none, the commit's own validator, if it has one."""
    if repository.checks or not _is_there(runtime, checkout, _VALIDATOR):
        return repository.checks
    return [(runtime.machine.python, _VALIDATOR, ".", "--verbose")]


def _linted(
    runtime: Runtime,
    foreign: Callable[[], HostAdapter],
    repository: AddonsRepository,
    checkout: str,
    show: Callable[[str], None],
) -> Check:
    name = f"{repository.name}: pylint-odoo finds nothing"
    modules = runtime.machine.call("find_modules", folder=checkout)
    if not modules:
        return Check(name=name, outcome="not measured", detail="there is no module in it")
    python, series = runtime.machine.python, runtime.environment.odoo.version
    own_choice = _is_there(runtime, checkout, ".pylintrc")
    command = commit_checks.lint(python, checkout, modules, series, own_choice=own_choice)
    try:
        ran = foreign().run(command, on_line=lambda _stream, line: show(line), timeout_seconds=_CHECK_SECONDS)
    except CommandFailed as error:
        if commit_checks.is_missing(error.output):
            return policy.missing_checker(name, "pylint-odoo", python)
        return Check(name=name, outcome="failed", detail=first_of(error.output.splitlines()))
    except PreconditionFailed as error:
        return Check(name=name, outcome="failed", detail=str(error))
    return Check(name=name, outcome="passed", detail=f"{len(modules)} modules, {ran.seconds:.1f} s")


def _audited(runtime: Runtime, repository: AddonsRepository, checkout: str) -> list[Check]:
    machine, name = runtime.machine, f"{repository.name}: requirements are pinned, and no vulnerability is known"
    if not _is_there(runtime, checkout, _REQUIREMENTS):
        without = Check(name=name, outcome="passed", detail=f"it has no {_REQUIREMENTS}")
        return [without] if repository.audit else []
    if repository.audit is False:
        return [policy.no_audit(name, _requirements(runtime, checkout), "the repository has `audit: false`")]
    lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
    command = commit_checks.audit(machine.python, f"{checkout}/{_REQUIREMENTS}")
    try:
        machine.run(command, on_line=lambda stream, line: lines[stream].append(line), timeout_seconds=_CHECK_SECONDS)
    except CommandFailed as error:
        if commit_checks.is_missing(error.output):
            missing = policy.missing_checker(name, "pip-audit", machine.python)
            asked = repository.audit is not None
            return [missing if asked else policy.no_audit(name, _requirements(runtime, checkout), missing.detail)]
    packages = commit_checks.parse_audit("\n".join(lines["stdout"]))
    return [policy.judge_audit(name, packages, lines["stderr"])]


def _judged(
    foreign: Callable[[], HostAdapter], repository: AddonsRepository, words: tuple[str, ...], checkout: str
) -> Check:
    command = Command(argv=words, working_directory=checkout, environment={"PYTHONDONTWRITEBYTECODE": "1"})
    name = f"{repository.name}: {command}"
    try:
        seconds = foreign().run(command, timeout_seconds=_CHECK_SECONDS).seconds
    except (CommandFailed, PreconditionFailed) as error:
        return Check(name=name, outcome="failed", detail=str(error))
    return Check(name=name, outcome="passed", detail=f"{seconds:.1f} s")
