"""Commands of Odoo's program that look at modules on disk, and that update them in a database."""

import json
import re
from collections.abc import Collection, Sequence

from pydantic import SecretStr

from odoo_ops.commands.odoo import NOT_FROM_LOGIN
from odoo_ops.commands.postgres import connection_environment, connection_secrets
from odoo_ops.model.command import Command
from odoo_ops.model.environment import DatabaseSettings

_MARK = "odoo-ops-modules:"
_NAMES = "odoo-ops-names:"

# Runs in `odoo shell` without a database, so that Odoo itself says what it makes of its addons path. Nothing of that is
# imported: perhaps nobody has approved it yet. Odoo imports some modules when it starts, such as `web`, wherever they
# come first; so it gets the path only here, and reads it anew, with what it kept of manifests. And its own check of
# Python packages imports what it does not find by that name, such as odoo.addons.shelf.
_SCRIPT = """
import importlib.metadata, importlib.util, json, os, shutil
import odoo.addons, odoo.upgrade
from odoo.modules import module as of_odoo
from odoo.tools import config

if {addons!r}:
    config["addons_path"] = {addons!r}
importlib.reload(odoo.addons)
importlib.reload(of_odoo)
of_odoo.initialize_sys_path()

def check_package(package):
    wanted = of_odoo.Requirement(package)
    if wanted.marker and not wanted.marker.evaluate():
        return
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        # or a module's name; only of the first part: those below it would be looked for by importing that
        first, _, below = package.partition(".")
        if first == "odoo" and below or not first.isidentifier() or importlib.util.find_spec(first) is None:
            raise
        return
    if wanted.specifier and not wanted.specifier.contains(version):
        raise ValueError(f"installed is {{version}}")

def missing(needs):
    for package in needs.get("python") or ():
        try:
            check_package(package)
        except Exception as error:
            yield f"Python package {{package}} ({{error}})"
    for program in needs.get("bin") or ():
        if shutil.which(program) is None:
            yield f"program {{program}}"

def migrations(name, path):
    places = [os.path.join(path, folder) for folder in ("migrations", "upgrades")]
    for place in (*places, *(os.path.join(folder, name) for folder in odoo.upgrade.__path__)):
        for version in os.listdir(place) if os.path.isdir(place) else ():
            if os.path.isdir(os.path.join(place, version)):
                yield version

found, waiting, seen = {{}}, {modules}, set()
while waiting:
    name = waiting.pop()
    path = None if name in seen else of_odoo.get_module_path(name)
    seen.add(name)
    if path:
        found[name] = {{
            "path": path,
            "migrations": sorted(set(migrations(name, path))),
            "tested": os.path.isdir(os.path.join(path, "tests")),
        }}
        try:
            manifest = of_odoo.get_manifest(name)
            found[name].update(
                version=manifest["version"],
                installable=bool(manifest["installable"]),
                depends=list(manifest["depends"]),
                missing=list(missing(manifest["external_dependencies"] or {{}})),
            )
            waiting += found[name]["depends"]
        except Exception as error:
            why = f" ({{error.__cause__}})" if error.__cause__ else ""
            found[name]["fault"] = f"{{type(error).__name__}}: {{error}}{{why}}"
print({mark!r} + json.dumps(found), flush=True)
names = {{
    name
    for folder in odoo.addons.__path__
    for name in (os.listdir(folder) if os.path.isdir(folder) else ())
    if os.path.isfile(os.path.join(folder, name, "__manifest__.py"))
}}
print({names!r} + json.dumps(sorted(names)), flush=True)
"""

# Odoo's lines: time, pid, level, database, logger, message
_TROUBLE = re.compile(r"^\S+ \S+ \d+ (?:ERROR|CRITICAL) (.*)")
_TESTS = re.compile(r"\d+ failed, \d+ error\(s\) of (\d+) tests")
_LOADING = re.compile(r"Loading module (\S+) \((\d+)/(\d+)\)")


def read_modules(program: tuple[str, ...], config: str, addons: Sequence[str], modules: Collection[str]) -> Command:
    """Print what is on disk of these modules and of all that they depend on, and the names of all that are there.

    `parse_modules` and `parse_names` read the output.

    No database is opened, and no module below `addons` is run: `config` must name no addons path.
    """
    script = _SCRIPT.format(addons=",".join(addons), modules=json.dumps(sorted(modules)), mark=_MARK, names=_NAMES)
    return Command(
        argv=(*program, "shell", f"--config={config}", "--no-http"), without=NOT_FROM_LOGIN, stdin=SecretStr(script)
    )


def parse_modules(output: str) -> dict[str, dict[str, object]] | None:
    """What `read_modules` printed, by module (fields of ModuleFacts); None if its line is not there."""
    found = _told(output, _MARK)
    return None if found is None else dict(json.loads(found))


def parse_names(output: str) -> list[str] | None:
    """The names of all modules in the addons path, as `read_modules` printed them; None if its line is not there."""
    found = _told(output, _NAMES)
    return None if found is None else list(json.loads(found))


def _told(output: str, mark: str) -> str | None:
    return next((line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark)), None)


def update(program: tuple[str, ...], config: str, database: DatabaseSettings, modules: Collection[str]) -> Command:
    """Update modules of a database, and those that depend on them; Odoo ends afterwards."""
    return _update(program, config, database, modules, "--no-http")


def test(
    program: tuple[str, ...], config: str, database: DatabaseSettings, modules: Collection[str], tags: str
) -> Command:
    """Run tests of modules, for which Odoo updates them once more. The status is not 0 when one fails.

    Some tests ask pages, at the port that `config` names.
    """
    return _update(program, config, database, modules, f"--test-tags={tags}")


def _update(
    program: tuple[str, ...], config: str, database: DatabaseSettings, modules: Collection[str], option: str
) -> Command:
    return Command(
        argv=(
            *(*program, f"--config={config}", f"--database={database.name}", f"--update={','.join(sorted(modules))}"),
            *("--stop-after-init", option),
        ),
        environment={**connection_environment(database), "PGDATABASE": database.name},
        without=NOT_FROM_LOGIN,
        secrets=connection_secrets(database),
    )


def tests_in(line: str) -> int | None:
    """How many tests ran, where a line of Odoo's log tells it."""
    found = _TESTS.search(line)
    return int(found[1]) if found else None


def trouble_in(line: str) -> str | None:
    """What a line of Odoo's log says is wrong; None: it says no such thing."""
    found = _TROUBLE.match(line)
    return found[1] if found else None


def loading_in(line: str) -> tuple[int, int] | None:
    """How many modules of how many are loaded, where a line of Odoo's log tells."""
    found = _LOADING.search(line)
    return (int(found[2]), int(found[3])) if found else None
