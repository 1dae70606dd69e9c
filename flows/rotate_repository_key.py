"""Change the password of the environment's repository.

Before: write the new password as `password` and the one until now as `former_password` of the repository, and register
it. From then on other flows fail until this one has run, once for all environments of that repository. The new
password is added and tried before the former one is removed, so one of them opens the repository at every moment, and
a run that died is repeated. After: take `former_password` out of the file, register again, and keep the new password
elsewhere, too.

The key that encrypts the data stays: restic knows no other one for a repository that is there. Who copied the folder
`keys` and knows the former password reads later backups, too; after a leak, begin a new repository.
"""

import time

from prefect import flow

from odoo_ops.model.upkeep import RepositoryReport
from tasks.identity import check_repository_identity
from tasks.keys import add_new_key, new_password_opens, refuse_unready_rotation, remove_former_keys
from tasks.locks import repository_locked
from tasks.reports import publish_rotation_report


@flow(name="rotate_repository_key", flow_run_name="change the password of the repository of {environment}")
def rotate_repository_key(environment: str, offsite: bool = False) -> RepositoryReport:
    """Let the repository of an environment be opened by its new password, and no longer by the former one.

    Args:
        environment: Name of an environment whose repository was registered with both passwords.
        offsite: In its off-site repository, where the copies are.
    """
    begun = time.monotonic()
    refuse_unready_rotation(environment, offsite=offsite)
    with repository_locked(environment, "change the repository's password", offsite=offsite) as lock:
        check_repository_identity(
            environment, offsite=offsite, by_former_password=not new_password_opens(environment, offsite=offsite)
        )
        checks = [add_new_key(environment, offsite=offsite)]
        lock.check()
        checks.append(remove_former_keys(environment, offsite=offsite))
    report = RepositoryReport(
        environment=environment, offsite=offsite, seconds=time.monotonic() - begun, checks=tuple(checks)
    )
    publish_rotation_report(report)
    return report
