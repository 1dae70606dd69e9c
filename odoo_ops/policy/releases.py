"""What a release must stand before anything changes, and which modules it updates."""

import re
from collections.abc import Collection, Mapping, Sequence

from odoo_ops.errors import Refused
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.checks import Check, Outcome, failures, first_of, passed_or_failed
from odoo_ops.model.environment import Environment
from odoo_ops.model.release import InstalledModules, ModuleFacts, ModuleUpdate
from odoo_ops.model.runtimes import OnHost

ON_DISK = "Every installed module is there"
MANIFESTS = "Manifests can be read and installed"
NEEDS = "What modules need is there"
SETTLED = "No module is in the middle of a change"
AT_ONCE = "Put in place at once"
DOWNTIME = "Update and start are within the downtime budget"
_OF_SERIES = 2  # of the numbers of a version: 19.0.1.0.0
_WITHOUT_SERIES = 3
# such as standard/sale:TestSale.test_it, as Odoo reads them (odoo/tests/tag_selector.py)
_TEST_TAG = re.compile(
    r"(?P<sign>[+-]?)(?:\*|\w*)(?P<file>/[\w/.-]+\.py)?(?:/(?P<module>\w+))?(?P<test>(?::\w*)?(?:\.\w*)?)(?P<given>\[.*\])?"
)
_BETWEEN_TAGS = re.compile(r",(?![^\[]*\])")
_MODULE_OF_FILE = re.compile(r".*/(\w+)/tests/")
FALLS = "No module's version falls"
MIGRATIONS = "A module's new major version has migration scripts"


def judge_modules(installed: InstalledModules, found: Mapping[str, ModuleFacts]) -> list[Check]:
    """What commits must stand, as far as modules on disk and in the database tell."""
    present = {name: found[name] for name in sorted(installed.versions) if name in found}
    lost = sorted(set(installed.versions) - set(found))
    # those that an update would install, too: Odoo would refuse them only after it was stopped
    faults = [f"{name}: {facts.fault}" for name, facts in sorted(found.items()) if facts.fault]
    faults += [
        f"{name} is marked as not installable, or is for another Odoo"
        for name, facts in sorted(found.items())
        if not facts.fault and not facts.installable
    ]
    missing = [f"{name} needs {what}" for name, facts in sorted(found.items()) for what in facts.missing]
    missing += [
        f"{name} depends on {other}, which is nowhere in the addons path"
        for name, facts in found.items()
        for other in facts.depends
        if other not in found
    ]
    fallen = [
        f"{name} falls from {installed.versions[name]} to {facts.version}, and Odoo migrates nothing back: run "
        "`rollback`, or raise its version"
        for name, facts in present.items()
        if not facts.fault and _falls(installed.versions[name], facts.version)
    ]
    risen = {name: facts for name, facts in present.items() if _rises(installed.versions[name], facts.version)}
    unmigrated = [
        f"{name} rises from {installed.versions[name]} to {facts.version} and has no folder migrations/{facts.version}"
        for name, facts in risen.items()
        if not any(_applies(version, installed.versions[name], facts.version) for version in facts.migrations)
    ]
    return [
        passed_or_failed(SETTLED, list(installed.unsettled), f"{len(installed.versions)} modules are installed"),
        passed_or_failed(ON_DISK, lost, f"{len(present)} modules"),
        passed_or_failed(MANIFESTS, faults, f"{len(found)} manifests"),
        passed_or_failed(NEEDS, missing, "Python packages, programs and modules"),
        passed_or_failed(FALLS, fallen, f"{len(present)} modules"),
        passed_or_failed(MIGRATIONS, unmigrated, f"{len(risen)} modules with one"),
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.removeprefix("saas~").split(".") if number.isdigit())


def _falls(present: str, following: str) -> bool:
    """Whether a version is lower than the installed one. To Odoo 1.0 and 1.0.0 are the same."""
    before, after = _numbers(present), _numbers(following)
    length = max(len(before), len(after))
    return after + (0,) * (length - len(after)) < before + (0,) * (length - len(before))


def _rises(present: str, following: str) -> bool:
    """Whether a module's own major number rises, which by the OCA's rules means another data model.

    https://github.com/OCA/odoo-community.org/blob/master/website/Contribution/CONTRIBUTING.rst#version-numbers
    """
    before, after = _numbers(present), _numbers(following)
    return before[:_OF_SERIES] == after[:_OF_SERIES] and before[: _OF_SERIES + 1] < after[: _OF_SERIES + 1]


def _applies(folder: str, present: str, following: str) -> bool:
    """Whether Odoo runs what is in a folder of migration scripts (odoo/modules/migration.py)."""
    numbers = _numbers(folder)
    if folder == "0.0.0":  # for every rise
        return True
    after = _numbers(following)
    whole = numbers if len(numbers) > _WITHOUT_SERIES else (*after[:_OF_SERIES], *numbers)
    return _numbers(present) < whole <= after


def refuse_unfit(environment: str, gate: Sequence[Check]) -> None:
    """Raise Refused for commits that did not stand all of it."""
    if found := failures(list(gate)):
        raise Refused(
            f"These addons are not released to {environment}: {first_of(found)}. Nothing was changed. "
            "Next step: mend that in the addons or on the host, push, and release again."
        )


def modules_to_update(installed: InstalledModules, found: Mapping[str, ModuleFacts]) -> tuple[ModuleUpdate, ...]:
    """Installed modules whose files are not those that were installed; without a record of that, all of them."""
    on_record = installed.checksums
    if on_record is None:
        why = "no checksum is on record in this database"
        return tuple(
            ModuleUpdate(name=name, why=why, tested=name in found and found[name].tested)
            for name in sorted(installed.versions)
        )
    return tuple(
        ModuleUpdate(
            name=name,
            why=_why(installed.versions[name], found[name].version, new=name not in on_record),
            tested=found[name].tested,
        )
        for name in sorted(installed.versions)
        if name in found and found[name].checksum != on_record.get(name)
    )


def judge_downtime(parts: Sequence[float | None], budget_seconds: float) -> Check:
    """Whether all that people would wait for, as it was forecast, is within the downtime budget.

    A part that was not measured (None) is never 0: without it the whole can only be too long.
    """
    known = [part for part in parts if part is not None]
    whole, detail = len(known) == len(parts), f"{sum(known):.0f} s of {budget_seconds:.0f} s"
    if sum(known) > budget_seconds:
        outcome: Outcome = "failed"
    else:
        outcome = "passed" if whole else "not measured"
    missing = "" if whole else ", without what was not measured"
    return Check(name=DOWNTIME, outcome=outcome, detail=f"{detail}{missing}")


def judge_finished(why: str) -> Check:
    """The check of a release that stopped half in place, and was finished by settling it."""
    return Check(name=AT_ONCE, outcome="failed", detail=f"It stopped, and was finished then: {why}")


def judge_tests(
    name: str, ran: Collection[int], tags: str, updates: Sequence[ModuleUpdate], installed: Collection[str]
) -> Check:
    """What tests say that all passed. Where none ran, nothing was measured, unless some should have: a misspelt tag."""
    most = max(ran, default=0)
    if not most:
        tested = {update.name for update in updates if update.tested}
        asked = _modules_asked(tags, tested)
        if unknown := sorted(asked.difference(installed, tested)):
            return Check(name=name, outcome="failed", detail=f"test_tags name {', '.join(unknown)}, not installed here")
        if silent := sorted(asked & tested):
            return Check(name=name, outcome="failed", detail=f"{tags} is the tag of no test of {', '.join(silent)}")
        return Check(name=name, outcome="not measured", detail=f"no updated module has tests of {tags}")
    return Check(name=name, outcome="passed", detail=f"{most} test{'s' if most > 1 else ''} of {tags}")


def _modules_asked(tags: str, tested: Collection[str]) -> set[str]:
    """Modules that must have run a test: those that tags name, or all that have tests; none that a tag leaves out.

    A class or method alone may be any module's.
    """
    given = [found for tag in _BETWEEN_TAGS.split(tags) if (found := _TEST_TAG.fullmatch(tag))]
    wanted = [tag for tag in given if tag["sign"] != "-"]
    asked = {_module_of(tag) for tag in wanted}
    if not wanted or any(not (tag["file"] or tag["module"] or tag["test"]) for tag in wanted):
        asked.update(tested)
    left_out = {_module_of(tag) for tag in given if tag["sign"] == "-" and not tag["given"]}
    return asked - left_out - {""}


def _module_of(tag: re.Match[str]) -> str:
    """The module that a tag names, itself or by the path of a file; empty where it names none."""
    in_file = _MODULE_OF_FILE.match(tag["file"] or "")
    return tag["module"] or (in_file[1] if in_file else "")


def _why(version: str, next_version: str, *, new: bool) -> str:
    if new:
        return "no checksum of it is on record"
    return f"its files changed, version {version} to {next_version}" if version != next_version else "its files changed"


def dependants_of(modules: Collection[str], found: Mapping[str, ModuleFacts]) -> tuple[str, ...]:
    """Modules that depend on these, straight or through others: Odoo updates them, too."""
    reached, waiting = set(modules), set(modules)
    while waiting:
        waiting = {name for name, facts in found.items() if name not in reached and waiting.intersection(facts.depends)}
        reached |= waiting
    return tuple(sorted(reached - set(modules)))


def modules_only_in(paths: Collection[str], others: Collection[str], installed: Collection[str]) -> tuple[str, ...]:
    """Names of modules, by their paths, that the others do not hold and that are not installed.

    What becomes of installed ones, the update set and the gate say.
    """
    names, other_names = ({path.rpartition("/")[2] for path in found} for found in (paths, others))
    return tuple(sorted(names - other_names - set(installed)))


def policy_of(environment: Environment) -> ReleasePolicy:
    """What is released to an environment. Raises Refused where that is nothing, or where it cannot be."""
    release = environment.release or ReleasePolicy()
    if isinstance(environment.runtime, OnHost):
        if not release.addons:
            raise Refused(
                f"{environment.name} names no addons to release. Nothing was changed. Next step: describe them as "
                "`release` in its environment file and register it again (docs/releases.md)."
            )
    elif environment.provision is None:
        raise Refused(
            f"{environment.name} runs in containers of a project that `provision` did not make, and nothing is "
            "released to such a one. Nothing was changed. Next step: let `provision` make one (docs/provision.md), and "
            "move the data there by backup and restore."
        )
    elif release.addons:
        raise Refused(
            f"{environment.name} runs in containers, and addons of a repository are not released there. Nothing was "
            "changed. Next step: put them into an image, delete `release.addons` in its environment file, register it "
            "again, and name the image as `image`."
        )
    return release


def waits_for_approval(environment: Environment) -> bool:
    """Whether somebody must approve what is released to an environment: in production, where it does not say."""
    asked = environment.release.approval if environment.release else None
    return environment.stage == "production" if asked is None else asked


def refuse_image(environment: Environment, image: str, refs: Mapping[str, str]) -> None:
    """Raise Refused where an image is asked for and there are no containers, or commits where there are."""
    in_containers = not isinstance(environment.runtime, OnHost)
    if image and not in_containers:
        raise Refused(
            f"{environment.name} does not run in containers, so no image is released to it. Nothing was changed. Next "
            "step: leave `image` out; name branches, tags or commits as `refs`."
        )
    if refs and in_containers:
        raise Refused(
            f"The addons of {environment.name} are in its image. Nothing was changed. Next step: leave `refs` out, and "
            "name the image as `image`."
        )


def replaced_addons(addons: Sequence[str], instead: Mapping[str, str]) -> list[str]:
    """An addons path in which links, or folders in them, are replaced by where they will lead to."""
    return [_replaced(folder, instead) for folder in addons]


def _replaced(folder: str, instead: Mapping[str, str]) -> str:
    for link, target in instead.items():
        if folder == link or folder.startswith(f"{link}/"):
            return f"{target}{folder.removeprefix(link)}"
    return folder


def links_not_named(addons: Sequence[str], links: Collection[str]) -> list[str]:
    """Links that no entry of an addons path leads through."""
    return [link for link in links if not any(f"{folder}/".startswith(f"{link}/") for folder in addons)]


def rows_written(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Rows written to each table since a release, by PostgreSQL's own counters; none of tables that it left alone.

    Counters that went back were reset by a crash of PostgreSQL: what they show now is the least that was written.
    """
    written = {table: count - before.get(table, 0) for table, count in now.items()}
    return {table: now[table] if count < 0 else count for table, count in written.items() if count}
