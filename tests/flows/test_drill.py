"""A real Odoo 19 boots on a backup: what a drill proves, and that it leaves nothing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.artifacts import Artifact
from real_processes import run_flow
from toolbox_site import both_runtimes, both_runtimes_at_length

from blocks import OdooEnvironment
from flows.backup import backup
from flows.drill import drill
from flows.restore import restore
from odoo_ops.errors import Refused, VerificationFailed
from odoo_ops.model.snapshot import Snapshot
from tasks.trends import read_history

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]


def _snapshots(site: Site) -> list[Snapshot]:
    return OdooEnvironment.open(site.name).snapshots(site.name)


def _nothing_left(target: Site) -> None:
    assert target.made_databases() == []
    assert list(Path(target.settings.data_dir, "filestore").iterdir()) == []
    assert sorted(file.name for file in Path(target.settings.state_dir).iterdir()) == ["lock", "marker.json"]


@both_runtimes_at_length
def test_drill_proves_boots_and_records_the_newest_backup(odoo_site: Site, drill_site: Site) -> None:
    before = odoo_site.content()
    backup(odoo_site.name)
    report = drill(odoo_site.name, drill_site.name)
    open_questions = {check.name: check.detail for check in report.checks if check.outcome != "passed"}
    assert {detail.removeprefix("the module ") for detail in open_questions.values()} == {
        f"{module} is not installed" for module in ("account", "stock", "stock_account")
    }
    assert "Number sequences" not in open_questions
    assert report.verified
    assert report.gap_seconds is not None
    assert report.gap_seconds > 0
    assert report.recovery_seconds is not None
    assert 0 < report.recovery_seconds <= report.seconds
    (snapshot,) = _snapshots(odoo_site)
    assert (snapshot.id, snapshot.proved, snapshot.verified) == (report.snapshot_id, True, True)
    _nothing_left(drill_site)
    assert odoo_site.content() == before
    page = Artifact.get(f"drill-{odoo_site.name}")
    assert page is not None
    assert "the backup comes back" in str(page.data)
    (figures,) = read_history(odoo_site.name).drills
    assert (figures.verified, figures.recovery_seconds, figures.alarms) == (True, report.recovery_seconds, "")
    trends = Artifact.get(f"trends-{odoo_site.name}")
    assert trends is not None
    assert "| Age of the newest verified backup | passed | 0.0 days, at most 8 |" in str(trends.data)
    # once more: it is on record already
    again = drill(odoo_site.name, drill_site.name, snapshot.short_id)
    assert again.snapshot_id == report.snapshot_id


@pytest.mark.long
@both_runtimes
def test_drill_fails_and_names_what_odoo_could_not_do_when_a_view_is_gone(odoo_site: Site, drill_site: Site) -> None:
    """Database and files are just as they were backed up: only an Odoo that runs on them can tell."""
    with odoo_site.connect() as connection:
        broken = json.dumps({"en_US": '<t t-name="web.login"><t t-call="nowhere.at_all"/></t>'})
        connection.execute("UPDATE ir_ui_view SET arch_db = %s WHERE key = 'web.login'", [broken])
    backup(odoo_site.name)
    with pytest.raises(VerificationFailed, match=r"Registry loads, /web/login answers: .*status 500"):
        drill(odoo_site.name, drill_site.name)
    (snapshot,) = _snapshots(odoo_site)
    assert not snapshot.verified
    _nothing_left(drill_site)
    table = Artifact.get(f"drill-{odoo_site.name}-checks")
    assert table is not None
    outcomes = {row["name"]: row["outcome"] for row in json.loads(str(table.data))}
    assert outcomes["Row count of every table"] == "passed"
    assert outcomes["A user logs in"] == "not measured"


@both_runtimes
def test_no_odoo_sees_the_copy_when_a_module_is_not_on_disk(odoo_site: Site, drill_site: Site) -> None:
    with odoo_site.connect() as connection:
        connection.execute(
            "INSERT INTO ir_module_module (name, state, latest_version) VALUES ('shop', 'installed', '19.0.1.0')"
        )
    backup(odoo_site.name)
    with pytest.raises(VerificationFailed, match="1 installed modules are not on disk .*: shop"):
        drill(odoo_site.name, drill_site.name)
    _nothing_left(drill_site)
    with pytest.raises(VerificationFailed, match="1 installed modules are not on disk .*: shop"):
        restore(odoo_site.name, target=drill_site.name)
    assert not drill_site.exists()
    assert drill_site.seen_by_odoo() == []


@both_runtimes
def test_restore_into_another_environment_makes_a_harmless_copy(odoo_site: Site, drill_site: Site) -> None:
    with odoo_site.connect() as connection:
        connection.execute("UPDATE ir_cron SET active = true")
        connection.execute(
            "INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_pass, smtp_encryption, active,"
            " smtp_authentication) VALUES ('real', 'mail.example.com', 25, 'canary-password', 'none', true, 'login')"
        )
        connection.execute(
            "INSERT INTO res_users_apikeys (name, user_id, scope, index, key) VALUES ('k', 2, 'rpc', 'canary88', 'x')"
        )
        connection.execute("INSERT INTO ir_config_parameter (key, value) VALUES ('database.enterprise_code', 'CODE')")
    before = odoo_site.content()
    backup(odoo_site.name)
    report = restore(odoo_site.name, target=drill_site.name)
    assert (report.environment, report.source, report.kept_database) == (drill_site.name, odoo_site.name, None)
    with drill_site.connect() as connection:
        active = connection.execute("SELECT smtp_host FROM ir_mail_server WHERE active").fetchall()
        kept = connection.execute("SELECT count(*) FROM ir_mail_server WHERE smtp_pass IS NOT NULL").fetchone()
        keys = connection.execute("SELECT count(*) FROM res_users_apikeys").fetchone()
        crons = connection.execute("SELECT count(*) FROM ir_cron WHERE active").fetchone()
    assert (active, kept, keys, crons) == ([("invalid",)], (0,), (0,), (1,))
    first, origin = drill_site.parameters(), odoo_site.parameters()
    assert "database.enterprise_code" not in first
    assert first["database.is_neutralized"] == "true"
    assert first["web.base.url.freeze"] == "True"
    for key in ("database.uuid", "database.secret"):
        assert first[key] != origin[key]
    assert odoo_site.content() == before
    # again: the target stays who it is, and keeps what was replaced
    again = restore(odoo_site.name, target=drill_site.name)
    assert again.kept_database is not None
    assert drill_site.parameters()["database.uuid"] == first["database.uuid"]
    assert drill_site.seen_by_odoo() == [drill_site.settings.database.name]


@both_runtimes_at_length
def test_copies_are_refused_before_anything_changes_when_the_target_is_wrong(odoo_site: Site, drill_site: Site) -> None:
    backup(odoo_site.name)
    drill_site.register(stage="production")
    with pytest.raises(Refused, match="is production: no backup is tried out there"):
        drill(odoo_site.name, drill_site.name)
    with pytest.raises(Refused, match="is production, and the backup is"):
        restore(odoo_site.name, target=drill_site.name, confirm_production=drill_site.name)
    with pytest.raises(Refused, match="is not tried out in"):
        drill(odoo_site.name, odoo_site.name)
    shared = drill_site.settings.database.model_copy(update={"user": odoo_site.settings.database.user})
    drill_site.register(stage="staging", database=shared)
    for run in (
        lambda: drill(odoo_site.name, drill_site.name),
        lambda: restore(odoo_site.name, target=drill_site.name),
    ):
        with pytest.raises(Refused, match="shares the role 'pristine_odoo' on the same PostgreSQL"):
            run()
    assert not drill_site.exists()
    assert drill_site.made_databases() == []


@pytest.mark.long
def test_drill_passes_when_the_run_before_was_killed_while_odoo_ran(odoo_site: Site, drill_site: Site) -> None:
    backup(odoo_site.name)
    run = run_flow("drill", odoo_site.name, drill_site.name, log=odoo_site.folder / "drill.log")
    try:
        run.wait_for_child(f"{drill_site.settings.copy_dir}/odoo.conf", "--database=odoo_ops_scratch")
        run.kill()
    finally:
        run.close()
    assert len(drill_site.made_databases()) == 1
    assert drill_site.seen_by_odoo() == []
    drill_site.free_limit()
    assert drill(odoo_site.name, drill_site.name).verified
    _nothing_left(drill_site)
