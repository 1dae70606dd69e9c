"""Releases that are refused before anybody has to wait: of addons on a real git server, by the real Odoo's word."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, AddonsServer
from prefect.artifacts import Artifact
from real_sshd import RealSshd

from blocks import OdooEnvironment
from flows.release import release
from flows.rollback import rollback
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.addons import ReleasePolicy
from odoo_ops.model.environment import ProcessService

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd]


@dataclass
class Offered:
    """Addons on a server, and an environment to which they may be released; its Odoo does not run."""

    site: Site
    addons: AddonsServer
    link: Path

    def asks(self, *, approval: bool | None = None, **asked: object) -> None:
        """Register the environment with this asked of its repository of addons."""
        repository = self.addons.repository(self.link).model_copy(update=asked)
        self.site.register(release=ReleasePolicy(addons=(repository,), approval=approval))

    def refused(self, match: str, error: type[Exception] = Refused, **parameters: str | bool) -> None:
        """A release must be refused before its backup, after which Odoo would be stopped."""
        with pytest.raises(error, match=match):
            release(self.site.name, **parameters)
        assert not self.link.is_symlink()
        assert not (self.site.folder / "repository").exists()
        assert self.site.leftovers() == []

    def sql(self, statement: str) -> None:
        with self.site.connect() as connection:
            connection.execute(statement)

    @contextmanager
    def plain_role(self) -> Iterator[str]:
        """Odoo's own role, which may make no database meanwhile; no other is named."""
        database = self.site.settings.database
        self.site.register(database=database.model_copy(update={"admin_user": None, "admin_password": None}))
        self.sql(f"ALTER ROLE {database.user} NOCREATEDB")
        try:
            yield database.user
        finally:
            self.sql(f"ALTER ROLE {database.user} CREATEDB")  # other tests' environments have it, too
            self.site.register(database=database)

    def checkout(self, commit: str) -> Path:
        return self.link.with_name(f".{self.link.name}.releases") / commit


@pytest.fixture
def offered(odoo_site: Site, sshd_program: Path, tmp_path: Path) -> Iterator[Offered]:
    folder, link = odoo_site.folder, tmp_path / "host" / "ours"
    service = ProcessService(start=("true",), pid_file=str(folder / "odoo.pid"), log_file=str(folder / "odoo.log"))
    odoo = odoo_site.settings.odoo.model_copy(update={"addons": (str(link),)})
    odoo_site.register(service=service, odoo=odoo)
    (tmp_path / "sshd").mkdir()
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd:
        yield Offered(odoo_site, AddonsServer.make(sshd, tmp_path), link)


def test_release_is_refused_when_a_check_fails_and_when_one_changes_its_commit(offered: Offered) -> None:
    offered.asks(checks=(("false",),))
    commit = offered.addons.push(SHELF)
    offered.refused("ours: false: `false` ended with status 1")
    page, checks = (Artifact.get(f"release-{offered.site.name}{of}") for of in ("", "-checks"))
    assert page
    assert checks
    assert str(page.data).startswith(f"# {offered.site.name}: not released\n\n**It failed after ")
    assert "ours: false" in str(checks.data)
    assert offered.checkout(commit).exists()
    offered.asks(checks=(("sh", "-c", "echo more >> shelf/static/read.txt"),))
    offered.refused("ours: the commit is as it was: its checks changed shelf/static/read.txt")
    assert not offered.checkout(commit).exists()


def test_release_is_refused_when_a_module_would_be_installed_that_cannot_be(offered: Offered) -> None:
    offered.asks()
    offered.sql(
        "INSERT INTO ir_module_module (name, state, latest_version) VALUES ('shelf', 'installed', '19.0.1.0.0')"
    )
    needs = {"shelf/__manifest__.py": SHELF["shelf/__manifest__.py"].replace("['web']", "['lamp']")}
    lamp = "{'name': 'Lamp', 'license': 'LGPL-3', 'installable': False}\n"
    offered.addons.push({**SHELF, **needs, "lamp/__manifest__.py": lamp, "lamp/__init__.py": ""})
    offered.refused("Manifests can be read and installed: lamp is marked as not installable")
    unfit = {"shelf/__manifest__.py": SHELF["shelf/__manifest__.py"].replace("19.0.1.0.0", "19.0.one")}
    offered.addons.push({**SHELF, **unfit})
    offered.refused(r"Manifests can be read and installed: shelf: ValueError: .* \(Invalid version '19.0.one'\)")


def test_requirement_that_is_not_pinned_is_refused_before_anybody_approves_it(offered: Offered) -> None:
    offered.asks(approval=True)
    offered.addons.push({**SHELF, "requirements.txt": "-c pins.txt\none\ntwo>=2\n", "pins.txt": "one==1.0\n"})
    offered.refused("ours: requirements are pinned: one; two>=2; pins must stand in req", dry_run=True)


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "plan"])
def test_nothing_of_a_commit_is_run_when_nobody_has_approved_it(
    offered: Offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """Neither as a Python package that its manifest names, nor as a module that Odoo imports when it starts."""
    odoo = OdooEnvironment.open(offered.site.name).environment.odoo
    starts = ("sh", "-c", f'{" ".join(odoo.command)} "$@" --load=base,web,shelf', "sh")
    offered.site.register(odoo=odoo.model_copy(update={"command": starts}))
    offered.asks(approval=True)
    offered.sql(
        "INSERT INTO ir_module_module (name, state, latest_version) VALUES ('shelf', 'installed', '19.0.1.0.0')"
    )
    monkeypatch.setattr("flows.release.refuse_unanswerable", lambda _: None)  # as if it could wait
    ran = tmp_path / "ran"
    needs = "'external_dependencies': {'python': ['odoo.addons.shelf']}, 'author'"
    manifest = SHELF["shelf/__manifest__.py"].replace("'author'", needs)
    offered.addons.push(
        {**SHELF, "shelf/__manifest__.py": manifest, "shelf/__init__.py": f"open({str(ran)!r}, 'a').close()\n"}
    )
    offered.refused("What modules need is there: shelf needs Python package odoo.addons.shelf", dry_run=dry_run)
    assert not ran.exists()


def test_release_is_refused_when_another_plan_was_approved(offered: Offered) -> None:
    offered.asks()
    offered.addons.push(SHELF)
    offered.refused("is no longer the plan 0123456789ab, but", approved="0123456789ab")


def test_release_waits_for_an_approval_where_the_environment_asks_for_one(offered: Offered) -> None:
    """What waits is a run of a deployment, and this one is none."""
    offered.asks(approval=True, checks=(("false",),))
    commit = offered.addons.push(SHELF)
    offered.refused(f"no run of a deployment.* confirm_production = {offered.site.name}", PreconditionFailed)
    offered.refused("what should confirm it is prod", confirm_production="prod")
    with pytest.raises(PreconditionFailed, match=f"no run of a deployment.* confirm = {offered.site.name}"):
        rollback(offered.site.name)
    with pytest.raises(Refused, match="what should confirm it is prod"):
        rollback(offered.site.name, confirm="prod")
    assert not offered.checkout(commit).exists()  # nothing was fetched
    offered.refused("`false` ended with status 1", confirm_production=offered.site.name)
    offered.site.register(stage="production")
    offered.asks(approval=False, checks=(("false",),))
    offered.refused("`false` ended with status 1")


def test_release_is_refused_before_its_approval_when_nobody_may_make_the_copy(
    offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered.site.register(stage="production")
    offered.asks()
    offered.addons.push(SHELF)
    monkeypatch.setattr("flows.release.refuse_unanswerable", lambda _: None)  # as if it could wait
    with offered.plain_role() as role:
        offered.refused(f'role {role} may make no database.*`ALTER ROLE "{role}" CREATEDB`', PreconditionFailed)
