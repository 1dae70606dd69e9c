"""The password of a repository, changed so that at every moment one opens it."""

import json

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import SecretStr

from blocks import OdooEnvironment
from odoo_ops.commands import upkeep
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.model.checks import Check
from odoo_ops.policy.fences import refuse_rotation
from odoo_ops.runtimes.runtime import Runtime

ADDED = "The new password opens the repository"
REMOVED = "The former password opens it no longer"


def refuse_unready_rotation(environment: str, *, offsite: bool) -> None:
    """Raise Refused when the registered repository does not say from which password to which."""
    refuse_rotation(OdooEnvironment.open(environment, offsite=offsite).repository)


@task(cache_policy=NO_CACHE)
def new_password_opens(environment: str, *, offsite: bool) -> bool:
    """Whether the new password opens the repository already; if not, the former one does.

    Raises PreconditionFailed when neither does.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    if _key_of(runtime, runtime.repository.password):
        return True
    if _key_of(runtime, runtime.repository.former_password):
        return False
    raise PreconditionFailed(
        f"Neither `password` nor `former_password` of the repository {runtime.repository.name} opens it. Nothing was "
        "changed. Next step: write the password that it has now into `former_password`, register and run again."
    )


@task(cache_policy=NO_CACHE)
def add_new_key(environment: str, *, offsite: bool) -> Check:
    """Let the new password open the repository as well, and see that it does.

    Raises VerificationFailed when it does not; the former one opens it all the same.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    password = runtime.repository.password
    if _key_of(runtime, password):
        return Check(name=ADDED, outcome="passed", detail="it did already")
    former = runtime.repository.opened_by_former
    runtime.host.run(upkeep.add_key(runtime.restic, former, password))
    key = _key_of(runtime, password)
    if key is None:
        raise VerificationFailed(
            f"A key was added to the repository {runtime.repository.name}, but the new password does not open it. The "
            "former one does. Next step: look at the new password (restic drops white space around it, and line ends)."
        )
    return Check(name=ADDED, outcome="passed", detail=f"key {key[:8]} added")


@task(cache_policy=NO_CACHE)
def remove_former_keys(environment: str, *, offsite: bool) -> Check:
    """Let the former password open the repository no longer, and see that it does not.

    An append-only repository keeps the key: the check says so. Raises VerificationFailed when restic removed it and
    it still opens.
    """
    runtime = OdooEnvironment.open(environment, offsite=offsite)
    removed: list[str] = []
    while key := _key_of(runtime, runtime.repository.former_password):
        if runtime.repository.append_only:
            by_hand = f"append-only: run `restic key remove {key[:8]}` where full access is"
            return Check(name=REMOVED, outcome="not measured", detail=by_hand)
        if key in removed or key == _key_of(runtime, runtime.repository.password):
            raise VerificationFailed(
                f"The key {key[:8]} of the repository {runtime.repository.name} cannot be removed. The new password "
                "opens it. Next step: look at `restic key list`, remove that key by hand, and run this again."
            )
        runtime.host.run(upkeep.remove_key(runtime.restic, runtime.repository, key))
        get_run_logger().info("Removed the key %s of the former password", key[:8])
        removed.append(key)
    names = ", ".join(key[:8] for key in removed)
    return Check(name=REMOVED, outcome="passed", detail=f"key {names} removed" if names else "it did not before")


def _key_of(runtime: Runtime, password: SecretStr | None) -> str | None:
    """Id of the key that a password opens; None when it opens none."""
    if password is None:
        return None
    repository = runtime.repository.model_copy(update={"password": password})
    try:
        listed = runtime.host.run(upkeep.list_keys(runtime.restic, repository))
    except CommandFailed as error:
        if error.exit_status == upkeep.WRONG_PASSWORD:
            return None
        raise
    return next(str(key["id"]) for key in json.loads(listed.stdout) if key["current"])
