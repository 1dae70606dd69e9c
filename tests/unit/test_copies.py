"""Fences and decisions around copies of an environment; cases of configuration and of judgement."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from pydantic import SecretStr

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.commands import odoo
from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.model.environment import DatabaseSettings, Environment, Objectives, OdooSettings, Stage
from odoo_ops.model.host import Host, SshConnection
from odoo_ops.model.repository import FolderLocation, OpenRepository, Repository, S3Location
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.policy import drills
from odoo_ops.policy.configuration import options_for_copy
from odoo_ops.policy.fences import (
    has_own_cluster,
    refuse_drill,
    refuse_mistyped,
    refuse_odd_filestore,
    refuse_restore,
    refuse_shared_copy,
    refuse_unreachable_repository,
)
from odoo_ops.render import render
from odoo_ops.runtimes.copies import booted
from odoo_ops.runtimes.runtime import Runtime


def _environment(
    name: str, stage: Stage = "testing", role: str = "odoo", data_dir: str = "/var/lib/odoo"
) -> Environment:
    return Environment(
        name=name,
        stage=stage,
        odoo=OdooSettings(version="19.0", command=("/usr/bin/odoo",)),
        database=DatabaseSettings(name=name, user=role),
        data_dir=data_dir,
        state_dir=f"/var/lib/odoo-ops/{name}",
    )


ERP = _environment("erp", "production")


def test_mistyped_confirmation_is_refused_and_none_is_not() -> None:
    refuse_mistyped([""], ["erp"])
    refuse_mistyped([], ["erp"])
    refuse_mistyped(["shop"], ["erp", "shop"])
    with pytest.raises(Refused, match="for erp, shop, and what should confirm it is prod"):
        refuse_mistyped(["erp", "prod"], ["erp", "shop"])


@pytest.mark.parametrize(
    ("source", "target", "confirmation", "refusal"),
    [
        (ERP, ERP, "", "confirm_production = erp"),
        (ERP, ERP, "ERP", "confirm_production = erp"),
        (ERP, ERP, "erp", None),
        (_environment("staging", "staging"), ERP, "erp", "the backup is staging's"),
        (ERP, _environment("staging", "staging"), "", None),
        (_environment("test"), _environment("test"), "", None),
    ],
)
def test_refuse_restore_lets_over_production_only_its_own_when_named(
    source: Environment, target: Environment, confirmation: str, refusal: str | None
) -> None:
    if refusal is None:
        refuse_restore(source, target, confirmation)
        return
    with pytest.raises(Refused, match=refusal):
        refuse_restore(source, target, confirmation)


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        (_environment("erp-2", "production"), "erp-2 is production"),
        (ERP, "erp is production"),
        (_environment("drill"), None),
    ],
)
def test_refuse_drill_lets_no_production_be_the_target(target: Environment, refusal: str | None) -> None:
    if refusal is None:
        refuse_drill(ERP, target)
        return
    with pytest.raises(Refused, match=refusal):
        refuse_drill(ERP, target)


def test_refuse_drill_lets_no_environment_be_its_own_target() -> None:
    with pytest.raises(Refused, match="not tried out in staging itself"):
        refuse_drill(_environment("staging", "staging"), _environment("staging", "staging"))


@pytest.mark.parametrize(
    ("role", "same_data_dir", "same_cluster", "shared"),
    [
        ("odoo", False, True, "the role 'odoo' on the same PostgreSQL with"),
        ("odoo", False, False, None),
        ("drill", True, True, "the data_dir /var/lib/odoo on the same host with"),
        ("odoo", True, True, "PostgreSQL and the data_dir"),
        ("drill", False, True, None),
    ],
)
def test_refuse_shared_copy_names_what_both_would_reach(
    role: str, same_data_dir: bool, same_cluster: bool, shared: str | None
) -> None:
    target = _environment("drill", role=role)
    if shared is None:
        refuse_shared_copy(ERP, target, same_data_dir=same_data_dir, same_cluster=same_cluster)
        return
    with pytest.raises(Refused, match=shared):
        refuse_shared_copy(ERP, target, same_data_dir=same_data_dir, same_cluster=same_cluster)


def test_refuse_unreachable_repository_wants_one_host() -> None:
    folder, bucket = (
        Repository(name="main", location=location, password=SecretStr("password"))
        for location in (FolderLocation(path="/srv/backups"), S3Location(bucket="backups"))
    )
    refuse_unreachable_repository(ERP, _environment("drill"), folder, same_host=True)
    refuse_unreachable_repository(ERP, _environment("drill"), bucket, same_host=False)
    with pytest.raises(Refused, match="name a target on the host of erp"):
        refuse_unreachable_repository(ERP, _environment("drill"), folder, same_host=False)


@pytest.mark.parametrize(
    ("is_link", "is_mount", "is_swapped", "problem"),
    [
        (True, False, False, "is a symbolic link"),
        (True, True, True, "is a symbolic link"),
        (False, True, True, "is a mount point"),
        (False, True, False, None),
        (False, False, True, None),
    ],
)
def test_refuse_odd_filestore_names_the_folder_to_link_or_mount_instead(
    is_link: bool, is_mount: bool, is_swapped: bool, problem: str | None
) -> None:
    with (
        nullcontext()
        if problem is None
        else pytest.raises(
            Refused, match=rf"{ERP.filestore} on here {problem}.*Nothing was changed.*link {ERP.data_dir}/filestore, "
        )
    ):
        refuse_odd_filestore(ERP, "here", is_link=is_link, is_mount=is_mount, is_swapped=is_swapped)


def _by_ssh(address: str, user: str, port: int = 22) -> Host:
    connection = SshConnection(
        address=address, port=port, user=user, private_key=SecretStr("key"), known_hosts="erp ssh-ed25519 AAAA"
    )
    return Host(name="x", connection=connection)


def test_same_machine_looks_at_the_address_whatever_the_user() -> None:
    assert Host(name="a").same_machine(Host(name="b", become="odoo"))
    assert _by_ssh("erp", "one").same_machine(_by_ssh("erp", "two"))
    assert not _by_ssh("erp", "one").same_machine(_by_ssh("erp", "one", port=2222))
    assert not Host(name="a").same_machine(_by_ssh("erp", "one"))


def test_other_machine_is_only_what_is_reached_at_another_address() -> None:
    """The worker's own may be one of those by SSH."""
    assert _by_ssh("erp", "one").other_machine(_by_ssh("standby", "one"))
    assert not _by_ssh("erp", "one").other_machine(_by_ssh("erp", "two"))
    assert not Host(name="a").other_machine(_by_ssh("erp", "one"))
    assert not Host(name="a").other_machine(Host(name="b"))


@pytest.mark.parametrize(
    ("server", "in_project", "own"),
    [
        ("127.0.0.1", False, True),
        ("/var/run/postgresql", False, True),
        ("db", True, True),
        ("db", False, False),
        ("db.example.com", True, False),
        ("2001:db8::1", True, False),
    ],
)
def test_cluster_is_an_environments_own_on_its_host_or_as_a_service_of_its_project(
    server: str, in_project: bool, own: bool
) -> None:
    database = ERP.database.model_copy(update={"server": server})
    runtime = ComposeProject(project="erp", folder="/srv/erp") if in_project else ERP.runtime
    assert has_own_cluster(ERP.model_copy(update={"database": database, "runtime": runtime})) is own


def test_options_for_copy_take_addons_over_and_leave_what_reaches_the_world() -> None:
    text = """[options]
addons_path = /opt/a, /opt/b
db_password = canary
smtp_server = mail.example.com
max_cron_threads = 2
http_port = 8069
server_wide_modules = base,web,queue_job
limit_time_cpu = 600
"""
    assert options_for_copy(text, ["/opt/b", "/opt/c"]) == (
        ["/opt/a", "/opt/b", "/opt/c"],
        {"limit_time_cpu": "600"},
    )
    assert options_for_copy(None, []) == ([], {})
    with pytest.raises(PreconditionFailed, match="odoo.conf cannot be read"):
        options_for_copy("no section, password = canary", [])


def test_configuration_of_a_copy_names_its_database_alone() -> None:
    database = DatabaseSettings(name="erp-drill", user="drill", password=SecretStr("role-password"))
    text = render(
        "odoo/copy.conf",
        database=database,
        database_name="scratch",
        data_dir="/srv/drill",
        addons=["/opt/a"],
        kept={},
        http_port=8123,
    )
    lines = text.splitlines()
    for line in ["db_name = scratch", "max_cron_threads = 0", "smtp_server = odoo-ops.invalid"]:
        assert line in lines
    assert "erp-drill" not in text
    assert "role-password" not in text, "it is told by PGPASSWORD, as to all programs"
    question = render(
        "odoo/copy.conf", database=database, database_name=None, data_dir="/srv", addons=[], kept={}, http_port=None
    )
    assert "db_name" not in question


def test_neutralization_is_read_between_other_lines() -> None:
    answer = {"series": "19.0", "missing": ["shop"], "queries": ["UPDATE ir_cron SET active = false"]}
    found = odoo.parse_neutralization(f"Odoo says hello\nodoo-ops-neutralization:{json.dumps(answer)}\n")
    assert found is not None
    assert found.missing == ("shop",)
    assert odoo.parse_neutralization("Traceback\n") is None


def _answers(**changes: str) -> list[Check]:
    return [Check.model_validate({"name": name, "outcome": changes.get(name, "passed")}) for name in drills.QUESTIONS]


@pytest.mark.parametrize(
    ("changes", "attachments", "modules", "unproved"),
    [
        ({}, 5, ["base"], []),
        ({drills.LOG_IN: "failed"}, 5, ["base"], [drills.LOG_IN]),
        ({drills.LOG_IN: "not measured"}, 5, ["base"], [drills.LOG_IN]),
        ({drills.ATTACHMENT: "not measured"}, 5, ["base"], [drills.ATTACHMENT]),
        ({drills.ATTACHMENT: "not measured"}, 0, ["base"], []),
        ({drills.INVOICE: "not measured"}, 5, ["base", "account"], []),
        ({drills.INVOICE: "failed"}, 5, ["base", "account"], [drills.INVOICE]),
        ({"Trial balance": "not measured", "Stock valuation": "not measured"}, 5, ["base", "stock"], []),
        ({"Trial balance": "not measured"}, 5, ["base", "account"], ["Trial balance"]),
        ({"Number sequences": "not measured"}, 5, ["base"], ["Number sequences"]),
    ],
)
def test_snapshot_is_unproved_until_every_question_that_makes_sense_was_answered_well(
    changes: dict[str, str], attachments: int, modules: list[str], unproved: list[str]
) -> None:
    assert drills.unproved(_answers(**changes), attachments=attachments, modules=modules) == unproved


def test_all_answers_call_what_a_drill_did_not_come_to_not_measured() -> None:
    came = Check(name="Came to the end", outcome="failed", detail="pg_restore")
    answers = drills.all_answers([Check(name=drills.NEUTRALIZED, outcome="passed"), came])
    assert [check.name for check in answers] == [*drills.QUESTIONS, came.name]
    assert {check.outcome for check in answers if check.name != drills.NEUTRALIZED} == {"not measured", "failed"}
    assert len(drills.unproved(answers, attachments=1, modules=["base", "account", "stock_account"])) > 1


def test_judge_objectives_tells_missed_from_not_measured() -> None:
    objectives = Objectives(rpo_minutes=60, rto_minutes=10)
    outcomes = [check.outcome for check in drills.judge_objectives(objectives, 3601, 600)]
    assert outcomes == ["failed", "passed"]
    outcomes = [check.outcome for check in drills.judge_objectives(objectives, None, None)]
    assert outcomes == ["not measured", "not measured"]


@pytest.mark.parametrize("error", [None, VerificationFailed("the page does not answer")])
def test_configuration_and_log_of_a_booted_copy_go_with_it(tmp_path: Path, error: VerificationFailed | None) -> None:
    odoo_program = tmp_path / "odoo"
    odoo_program.write_text("#!/bin/sh\nexec sleep 60\n")
    odoo_program.chmod(0o700)
    settings = _environment("drill", data_dir=str(tmp_path))
    settings = settings.model_copy(update={"odoo": OdooSettings(version="19.0", command=(str(odoo_program),))})
    repository = OpenRepository(name="r", location=FolderLocation(path="/r"), password=SecretStr("password"))
    runtime = Runtime.of(settings, HostAdapter(Host(name="here")), repository)
    with pytest.raises(VerificationFailed) if error else nullcontext(), booted(runtime, "scratch"):
        assert sorted(file.name for file in Path(settings.copy_dir).iterdir()) == ["odoo.conf", "odoo.log"]
        if error:
            raise error
    assert not Path(settings.copy_dir).exists()
