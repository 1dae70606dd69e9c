"""How restic is told where a repository is, and what is copied off-site."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError

from odoo_ops.commands import restic
from odoo_ops.commands.repositories import LOCKED
from odoo_ops.errors import Refused
from odoo_ops.hostside.processes import variables_of
from odoo_ops.model.command import Command
from odoo_ops.model.environment import Retention
from odoo_ops.model.repository import (
    FolderLocation,
    Limits,
    Location,
    OpenRepository,
    RestLocation,
    S3Keys,
    S3Location,
    SftpLocation,
)
from odoo_ops.model.snapshot import PROOF_TAG, TAG, VERIFIED_TAG, Snapshot, mark_tags
from odoo_ops.policy.offsite import copy_faults, refuse_uncopyable, snapshots_to_copy
from odoo_ops.policy.repositories import is_unfinished_repository, says_no_bucket, what_is_there

SECRET = "canary-secret"
KEYS = S3Keys(access_key_id="AKIA", secret_access_key=SecretStr(SECRET))
SFTP = SftpLocation(
    address="::1", port=2222, user="backup", path="/srv/odoo", private_key=SecretStr(SECRET), known_hosts="far x y"
)
REST = RestLocation(url="https://backup.example.com/erp/", user="erp", password=SecretStr(SECRET), certificate=SECRET)


def _repository(location: Location, keys: S3Keys | None = None, **changes: object) -> OpenRepository:
    given = {"name": "main", "location": location, "password": SecretStr(SECRET), "keys": keys}
    return OpenRepository.model_validate(given | changes)


@pytest.mark.parametrize(
    ("location", "address"),
    [
        (FolderLocation(path="/srv/backups"), "/srv/backups"),
        (S3Location(bucket="odoo", prefix="erp"), "s3:https://s3.amazonaws.com/odoo/erp"),
        (SFTP, "sftp://backup@[::1]:2222//srv/odoo"),
        (REST, "rest:https://backup.example.com/erp/"),
    ],
)
def test_command_shows_where_the_repository_is_and_no_secret(location: Location, address: str) -> None:
    command = restic.open_repository("restic", _repository(location, KEYS))
    assert command.environment["RESTIC_REPOSITORY"] == address
    assert command.secrets["RESTIC_PASSWORD"].get_secret_value() == SECRET
    assert SECRET not in f"{command.argv} {command.environment} {command}"


def test_login_keeps_restic_its_cache_and_nothing_that_it_knows_of_other_repositories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its cache each command fetches the index anew from where the repository is."""
    command = restic.open_repository("restic", _repository(SFTP))
    others = ("RESTIC_REPOSITORY_FILE", "RESTIC_PASSWORD_COMMAND", "RESTIC_FROM_KEY_HINT", "RESTIC_REST_USERNAME")
    for name in (*others, "AWS_PROFILE", "RCLONE_CONFIG"):
        monkeypatch.setenv(name, "of-another")
    monkeypatch.setenv("RESTIC_CACHE_DIR", "/var/cache/restic")
    left = variables_of({}, command.without)
    assert "of-another" not in left.values()
    assert left["RESTIC_CACHE_DIR"] == "/var/cache/restic"


def test_restore_advises_another_snapshot_and_a_check_where_what_it_reads_is_damaged() -> None:
    repository = _repository(FolderLocation(path="/srv/backups"))
    command = restic.restore_folder("restic", repository, "1a2b3c4d", folder="/srv/filestore", into="/srv/scratch")
    for step in ("the disk of /srv/scratch has room", "restore another snapshot", "`check_repository`", "main answers"):
        assert step in command.next_step


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("https://s3.eu-central-1.amazonaws.com", "https://s3.amazonaws.com"),
        ("https://s3.amazonaws.com", "https://s3.amazonaws.com"),
        ("https://s3.example.com", "https://s3.example.com"),
    ],
)
def test_look_for_a_bucket_leaves_its_region_to_the_server(endpoint: str, asked: str) -> None:
    bucket = S3Location(endpoint=endpoint, bucket="odoo", prefix="erp", region="eu-central-1")
    command = restic.look_for_bucket("restic", _repository(bucket, KEYS), bucket)
    assert command.environment["RESTIC_REPOSITORY"] == f"s3:{asked}/odoo/erp"
    assert "AWS_DEFAULT_REGION" not in command.environment
    assert command.secrets["AWS_SECRET_ACCESS_KEY"].get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("output", "missing"),
    [
        ("unable to open config file: Stat: The specified bucket does not exist", True),
        ("Stat(<config/>) returned error, retrying after 1s: Bucket not found: odoo", True),
        ("Error response code NoSuchBucket.", True),
        ("repository does not exist: unable to open config file: The specified key does not exist.", False),
        ("unable to open config file: Stat: Access Denied.", False),
    ],
)
def test_missing_bucket_is_told_from_a_missing_file(output: str, missing: bool) -> None:
    assert says_no_bucket(output) is missing


def test_command_names_a_private_key_as_a_file() -> None:
    command = restic.open_repository("restic", _repository(SFTP))
    assert command.files["private_key"].get_secret_value() == SECRET
    assert "-i %private_key%" in str(command)
    assert "StrictHostKeyChecking=yes" in str(command)


def test_advice_is_of_the_lock_when_another_run_holds_the_repository() -> None:
    command = restic.open_repository("restic", _repository(FolderLocation(path="/srv/backups")))
    assert "another run works in the repository main" in command.advice(LOCKED, otherwise="name another snapshot")
    assert command.advice(1, otherwise="name another snapshot") == "name another snapshot"
    assert "its disk is mounted" in command.advice(1)


def test_command_keeps_to_the_limits() -> None:
    limits = Limits(upload_kib_per_second=100, download_kib_per_second=200, processors=1)
    command = restic.open_repository("restic", _repository(FolderLocation(path="/srv/backups"), limits=limits))
    assert {"--limit-upload=100", "--limit-download=200"} <= set(command.argv)
    assert command.environment["GOMAXPROCS"] == "1"


@pytest.mark.parametrize(
    ("ours", "of_source", "kept"),
    [
        (Limits(download_kib_per_second=200), Limits(download_kib_per_second=50, upload_kib_per_second=9), (9, 50)),
        (Limits(upload_kib_per_second=7), Limits(upload_kib_per_second=9, download_kib_per_second=50), (7, 50)),
    ],
)
def test_copy_keeps_to_the_smaller_limit_of_both(ours: Limits, of_source: Limits, kept: tuple[int, int]) -> None:
    source = _repository(FolderLocation(path="/srv/backups"), limits=of_source)
    command = restic.copy_snapshots("restic", _repository(REST, limits=ours), source, ["aa11"])
    rates = [argument for argument in command.argv if argument.startswith("--limit-")]
    assert rates == [f"--limit-upload={kept[0]}", f"--limit-download={kept[1]}"]


def test_copy_has_both_passwords_and_addresses() -> None:
    source = _repository(FolderLocation(path="/srv/backups"), password=SecretStr("canary-source"))
    command = restic.copy_snapshots("restic", _repository(S3Location(bucket="odoo"), KEYS), source, ["aa11"])
    assert command.environment["RESTIC_FROM_REPOSITORY"] == "/srv/backups"
    assert command.secrets["RESTIC_FROM_PASSWORD"].get_secret_value() == "canary-source"
    assert command.secrets["AWS_SECRET_ACCESS_KEY"].get_secret_value() == SECRET
    assert command.argv[-3:] == ("copy", "--", "aa11")


def test_url_is_refused_when_it_names_a_user() -> None:
    with pytest.raises(ValidationError, match="names a user"):
        RestLocation(url="https://erp:password@backup.example.com/erp")


def _copied(first: OpenRepository, source: OpenRepository) -> Command:
    command = restic.copy_snapshots("restic", first, source, ["aa11"])
    assert "canary" not in f"{command.argv} {command.environment} {command}"
    return command


def test_copy_between_buckets_with_other_keys_reads_the_first_one_by_rclone() -> None:
    copies = _repository(S3Location(bucket="one", prefix="erp", region="eu-west-1"), KEYS)
    other = S3Keys(access_key_id="AKIB", secret_access_key=SecretStr("canary-other"))
    backups = _repository(S3Location(bucket="two", endpoint="http://127.0.0.1:9000"), other)
    command = _copied(copies, backups)
    assert command.environment["RESTIC_REPOSITORY"] == "s3:https://s3.amazonaws.com/one/erp"
    assert command.environment["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert command.environment["RESTIC_FROM_REPOSITORY"] == "rclone:odoo_ops:two"
    assert command.environment["RCLONE_CONFIG_ODOO_OPS_PROVIDER"] == "Other"
    assert command.environment["RCLONE_CONFIG_ODOO_OPS_ENDPOINT"] == "http://127.0.0.1:9000"
    assert command.secrets["RCLONE_CONFIG_ODOO_OPS_SECRET_ACCESS_KEY"].get_secret_value() == "canary-other"
    assert "rclone" in command.next_step
    same_keys = _copied(copies, _repository(S3Location(bucket="two", region="eu-west-1"), KEYS))
    assert same_keys.environment["RESTIC_FROM_REPOSITORY"] == "s3:https://s3.amazonaws.com/two"
    assert "rclone" not in same_keys.next_step


def test_bucket_of_a_role_or_with_an_object_lock_is_not_reached_by_rclone() -> None:
    by_role, locked = {"keys": None}, {"object_lock_days": 30}
    copies = _repository(S3Location(bucket="one", endpoint="https://s3.eu-west-1.amazonaws.com"), KEYS)
    backups = _repository(S3Location(bucket="two", region="us-east-2"), KEYS)
    for without_rclone in (by_role, locked):
        command = _copied(copies, backups.model_copy(update=without_rclone))
        assert command.environment["RESTIC_REPOSITORY"] == "rclone:odoo_ops:one"
        assert command.environment["RCLONE_CONFIG_ODOO_OPS_REGION"] == "eu-west-1"
        assert "RCLONE_CONFIG_ODOO_OPS_ENDPOINT" not in command.environment
        assert command.environment["AWS_DEFAULT_REGION"] == "us-east-2"
    both_by_role = _copied(copies.model_copy(update=by_role), backups.model_copy(update=by_role))
    assert "AWS_DEFAULT_REGION" not in both_by_role.environment
    refuse_uncopyable(backups.model_copy(update=by_role), copies.model_copy(update=by_role))
    with pytest.raises(Refused, match="cannot where that has an object lock"):
        refuse_uncopyable(backups.model_copy(update=by_role), copies.model_copy(update=locked))


def test_copy_by_ssh_knows_both_keys_and_both_host_keys() -> None:
    other = SFTP.model_copy(
        update={"address": "near", "private_key": SecretStr("canary-other"), "known_hosts": "near z"}
    )
    command = _copied(_repository(SFTP), _repository(other))
    assert "-i %private_key% -i %private_key1%" in str(command)
    assert command.files["private_key1"].get_secret_value() == "canary-other"
    assert command.files["known_hosts"].get_secret_value() == "far x y\nnear z"
    assert command.environment["RESTIC_FROM_REPOSITORY"] == "sftp://backup@near:2222//srv/odoo"


def test_copy_between_rest_servers_names_each_user_in_its_address() -> None:
    open_to_all = RestLocation(url="http://near:8000/erp")
    other = RestLocation(url="https://near/erp", user="a@b", password=SecretStr("canary:/@"), certificate="theirs")
    command = _copied(_repository(REST), _repository(other))
    assert (
        command.secrets["RESTIC_REPOSITORY"].get_secret_value() == f"rest:https://erp:{SECRET}@backup.example.com/erp/"
    )
    assert (
        command.secrets["RESTIC_FROM_REPOSITORY"].get_secret_value() == "rest:https://a%40b:canary%3A%2F%40@near/erp/"
    )
    assert command.files["certificate"].get_secret_value() == f"{SECRET}\ntheirs"
    assert command.environment["SSL_CERT_FILE"] == "%certificate%"
    assert "--cacert" not in str(command)
    assert "RESTIC_REST_USERNAME" not in command.environment
    command = _copied(_repository(REST), _repository(open_to_all))
    assert command.secrets["RESTIC_FROM_REPOSITORY"].get_secret_value() == "rest:http://near:8000/erp/"


def test_refuse_uncopyable_wants_two_logins_for_two_keys() -> None:
    other = SFTP.model_copy(update={"path": "/srv/copies", "known_hosts": "far x y\nfar2 x y"})
    refuse_uncopyable(_repository(SFTP), _repository(other))
    other_key = other.model_copy(update={"private_key": SecretStr("canary-other")})
    refuse_uncopyable(_repository(SFTP), _repository(other_key.model_copy(update={"user": "copies"})))
    with pytest.raises(Refused, match="the same login with different keys"):
        refuse_uncopyable(_repository(SFTP), _repository(other_key))


def test_refuse_uncopyable_wants_two_repositories() -> None:
    first, second = (_repository(S3Location(bucket=bucket), KEYS) for bucket in ("one", "two"))
    refuse_uncopyable(first, second)
    with pytest.raises(Refused, match="where the backups are"):
        refuse_uncopyable(first, first)


def _snapshot(identity: str, day: int, *tags: str, original: str | None = None) -> Snapshot:
    taken_at = datetime(2026, 3, day, tzinfo=UTC)
    return Snapshot(
        environment="erp", id=identity, original=original, taken_at=taken_at, tags=tags, paths=(), tree=f"tree-{day}"
    )


def _ids_to_copy(listed: list[Snapshot], offsite: list[Snapshot]) -> list[str]:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    return [snapshot.id for snapshot in snapshots_to_copy(listed, offsite, Retention(), now)]


def test_snapshots_to_copy_are_proved_backups_and_their_marks_unless_they_are_there() -> None:
    listed = [
        _snapshot("old", 1, TAG),
        _snapshot("p1", 1, *mark_tags(PROOF_TAG, "old", "tree-1")),
        _snapshot("not-proved", 2, TAG),
        _snapshot("v4", 5, *mark_tags(VERIFIED_TAG, "new", "tree-3")),
        _snapshot("p3", 3, *mark_tags(PROOF_TAG, "new", "tree-3")),
        _snapshot("new", 3, TAG),
        _snapshot("v9", 5, *mark_tags(VERIFIED_TAG, "forgotten", "tree-0")),
        _snapshot("mended", 6, TAG, original="new"),
    ]
    offsite = [_snapshot("copy", 1, TAG, original="old"), _snapshot("copy-of-p1", 1, PROOF_TAG, original="p1")]
    assert _ids_to_copy(listed, offsite) == ["new", "p3", "v4"]


def test_snapshots_to_copy_begin_with_the_newest_backup_each_followed_by_its_marks() -> None:
    listed = [
        _snapshot("oldest", 1, TAG),
        _snapshot("v1", 9, *mark_tags(VERIFIED_TAG, "oldest", "tree-1")),
        _snapshot("p1", 1, *mark_tags(PROOF_TAG, "oldest", "tree-1")),
        _snapshot("there", 2, TAG),
        _snapshot("p2", 2, *mark_tags(PROOF_TAG, "there", "tree-2")),
        _snapshot("newest", 3, TAG),
        _snapshot("p3", 3, *mark_tags(PROOF_TAG, "newest", "tree-3")),
    ]
    assert _ids_to_copy(listed, [_snapshot("copy", 2, TAG, original="there")]) == [
        "p2",
        "newest",
        "p3",
        "oldest",
        "p1",
        "v1",
    ]


def test_copy_faults_name_what_is_missing_or_holds_something_else() -> None:
    sources = [_snapshot("aa11", 1), _snapshot("bb22", 2), _snapshot("cc33", 3)]
    copies = [_snapshot("xx", 1, original="aa11"), _snapshot("yy", 9, original="bb22")]
    faults = copy_faults(sources, copies)
    assert [fault.split()[3] for fault in faults] == ["bb22", "cc33"]


@pytest.mark.parametrize(
    ("files", "unfinished"),
    [
        ([], True),
        ([f"keys/{'a' * 64}", f"keys/{'b' * 64}-tmp-1234567890", "config-tmp-1234567890"], True),
        (["config", f"keys/{'a' * 64}"], False),
        ([f"keys/{'a' * 64}", f"data/aa/{'a' * 64}"], False),
        ([f"keys/{'a' * 64}", f"snapshots/{'a' * 64}"], False),
        ([f"keys/{'a' * 64}", "keys/notes.txt"], False),
        (["data"], False),  # a link to another disk
        (["accounts.xlsx"], False),
    ],
)
def test_unfinished_repository_is_only_what_restic_leaves_before_it_has_a_config(
    files: list[str], unfinished: bool
) -> None:
    assert is_unfinished_repository(files) == unfinished


def test_what_is_there_names_a_few() -> None:
    assert what_is_there([]) == ": there is nothing"
    assert what_is_there(list("abcdefg")) == ": there is a, b, c, d, e and 2 more"
