"""A bucket with an object lock: what is deleted there, by us or by somebody else, comes back.

moto's server refuses to delete a locked version and puts markers on what is deleted without naming one, as S3 does. It
does not show how a real one counts its days.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backup_servers import S3Server, client
from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks import BackupRepository
from flows.backup import backup
from flows.check_repository import check_repository
from flows.forget import forget
from flows.prune import prune
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.environment import Retention
from odoo_ops.model.repository import Repository

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_BUCKET, _DAYS = "locked", 30
_LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": _DAYS}}}

_RESTIC = """#!/bin/sh
for word; do
  shift
  set -- "$@" "$word"
  [ "$word" != backup ] || set -- "$@" "--time=$(cat {folder}/time)"
done
exec {restic} "$@"
"""


class LockedBucket:
    """The bucket as its keys' holder sees it: every version of what was stored, and the markers of what was deleted."""

    def __init__(self, server: S3Server) -> None:
        self._s3 = client(server.port, "s3", server.keys)
        self._s3.create_bucket(Bucket=_BUCKET, ObjectLockEnabledForBucket=True)
        self._s3.put_object_lock_configuration(Bucket=_BUCKET, ObjectLockConfiguration=_LOCK)

    def _listed(self, kind: str) -> set[tuple[str, str]]:
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=_BUCKET)
        return {(entry["Key"], entry["VersionId"]) for page in pages for entry in page.get(kind, [])}

    def versions(self) -> set[tuple[str, str]]:
        return self._listed("Versions")

    def delete_all(self) -> None:
        """As somebody does who has stolen the keys: what may not be deleted for good is at least marked."""
        for key, version in self.versions():
            with pytest.raises(ClientError, match="AccessDenied"):
                self._s3.delete_object(Bucket=_BUCKET, Key=key, VersionId=version)
            self._s3.delete_object(Bucket=_BUCKET, Key=key)

    def remove_markers(self) -> None:
        """All but those of restic's locks, whose processes have ended."""
        for key, version in self._listed("DeleteMarkers"):
            if "/locks/" not in key:
                self._s3.delete_object(Bucket=_BUCKET, Key=key, VersionId=version)


def _use(site: Site, server: S3Server) -> None:
    AwsCredentials(
        aws_access_key_id=server.keys.access_key_id, aws_secret_access_key=server.keys.secret_access_key
    ).save(site.name)
    location = server.location(bucket=_BUCKET)
    settings = Repository(
        name="locked", location=location, password=SecretStr("repository-password"), object_lock_days=_DAYS
    )
    BackupRepository(settings=settings, credentials=AwsCredentials.load(site.name)).save(
        f"{site.name}-repository", overwrite=True
    )
    retention = Retention(keep_daily=1, keep_weekly=0, keep_monthly=0, keep_yearly=0)
    site.register(backup=site.settings.backup.model_copy(update={"retention": retention}))


def _back_up(site: Site, days_ago: int) -> str:
    taken_at = datetime.now().astimezone() - timedelta(days=days_ago)
    (site.folder / "time").write_text(f"{taken_at:%Y-%m-%d %H:%M:%S}")
    return backup(site.name).snapshot_id


def test_everything_comes_back_when_all_was_deleted_in_a_bucket_with_an_object_lock(
    site: Site, restic: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also what `forget` and `prune` deleted, when its time was over; they leave what is younger than the lock."""
    program = site.folder / "restic"
    program.write_text(_RESTIC.format(folder=site.folder, restic=restic))
    program.chmod(0o755)
    site.register_host(restic=str(program))
    with S3Server.run(tmp_path_factory.mktemp("s3")) as server:
        bucket = LockedBucket(server)
        _use(site, server)
        first, first_content = _back_up(site, days_ago=_DAYS + 10), site.content()
        with site.connect() as connection:
            connection.execute("DELETE FROM ir_attachment WHERE id = (SELECT max(id) FROM ir_attachment)")
        locked = _back_up(site, days_ago=_DAYS - 10)
        site.attach(b"made after the second backup")
        newest, content = _back_up(site, days_ago=0), site.content()
        stored = bucket.versions()

        plan = forget(site.name, dry_run=False).plan
        assert [snapshot.id for snapshot in plan.forgotten] == [first]
        assert [snapshot.id for snapshot in plan.kept] == [newest, locked]
        assert "object lock until" in str(plan.decisions[1].reasons)
        assert prune(site.name, dry_run=False, max_unused_percent=0).space.freed_bytes
        with pytest.raises(PreconditionFailed, match=f"{first[:8]}"):
            restore(site.name, first)
        assert stored <= bucket.versions()

        bucket.delete_all()
        assert stored <= bucket.versions()
        with pytest.raises(PreconditionFailed, match="There is no repository"):
            restore(site.name)
        bucket.remove_markers()
        assert check_repository(site.name, weeks=1).checks[0].outcome == "passed"
        site.lose_all()
        assert restore(site.name).snapshot_id == newest
        assert site.content() == content
        restore(site.name, first)
        assert site.content() == first_content
    assert site.leftovers() == []
