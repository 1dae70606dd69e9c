"""How restic is told where a repository is and how it may be opened.

https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from odoo_ops.model.command import Command, placed
from odoo_ops.model.repository import (
    FolderLocation,
    Limits,
    OpenRepository,
    RestLocation,
    S3Keys,
    S3Location,
    SftpLocation,
)

# another run may hold the repository for itself: wait for it. A dead host's lock counts for half an hour.
_PATIENCE = "--retry-lock=40m"

# what the login knows of other repositories
_OF_OTHERS = ("RESTIC_", "AWS_")


@dataclass(frozen=True)
class _Access:
    """Options, variables and files with which restic reaches repositories."""

    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    files: Mapping[str, SecretStr] = field(default_factory=dict)


def repository_command(
    program: str, repository: OpenRepository, *arguments: str, source: OpenRepository | None = None
) -> Command:
    """A restic command on a repository; with `source`, one that reads from that one too (`restic copy`).

    restic knows one set of keys for both: `policy.offsite` refuses two repositories that would need two.
    """
    access = _access(repository)
    environment = {"RESTIC_REPOSITORY": restic_address(repository), "RESTIC_PROGRESS_FPS": "2"}
    secrets = {"RESTIC_PASSWORD": repository.password}
    if source is not None:
        access = _both(access, _access(source))
        environment["RESTIC_FROM_REPOSITORY"] = restic_address(source)
        secrets["RESTIC_FROM_PASSWORD"] = source.password
    limits = repository.limits
    if limits.processors:
        environment["GOMAXPROCS"] = str(limits.processors)
    return Command(
        argv=(program, _PATIENCE, *access.options, *_rates(limits), *arguments),
        environment={**access.environment, **environment},
        secrets={**access.secrets, **secrets},
        files=access.files,
        without=_OF_OTHERS,
        next_step=(
            f"see that the repository {repository.name} answers, that its disk is mounted and has room and that its "
            "keys may still do that; then run again: it settles what was left. What was not proved does not count."
        ),
    )


def restic_address(repository: OpenRepository) -> str:
    """The repository as restic writes it; no secret stands in it."""
    match repository.location:
        case FolderLocation() as folder:
            return folder.path
        case S3Location() as bucket:
            return f"s3:{bucket}"
        case SftpLocation() as machine:
            address = f"[{machine.address}]" if ":" in machine.address else machine.address
            return f"sftp://{machine.user}@{address}:{machine.port}/{machine.path}"
        case RestLocation() as server:
            return f"rest:{server.url}/"


def _access(repository: OpenRepository) -> _Access:
    match repository.location:
        case S3Location(region=region):
            return _access_to_s3(region, repository.keys)
        case SftpLocation() as machine:
            return _access_by_ssh(machine)
        case RestLocation(user=user, password=password, certificate=certificate):
            return _Access(
                options=(f"--cacert={placed('certificate')}",) if certificate else (),
                environment={"RESTIC_REST_USERNAME": user} if user else {},
                secrets={"RESTIC_REST_PASSWORD": password} if password else {},
                files={"certificate": SecretStr(certificate)} if certificate else {},
            )
        case FolderLocation():
            return _Access()


def _access_to_s3(region: str | None, keys: S3Keys | None) -> _Access:
    environment = {"AWS_DEFAULT_REGION": region} if region else {}
    if keys is None:  # the host's own role
        return _Access(environment=environment)
    return _Access(
        environment={**environment, "AWS_ACCESS_KEY_ID": keys.access_key_id},
        secrets={"AWS_SECRET_ACCESS_KEY": keys.secret_access_key},
    )


def _access_by_ssh(machine: SftpLocation) -> _Access:
    options = {
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": placed("known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "30",
        "ServerAliveCountMax": "4",
    }
    ssh = " ".join(["-F none", f"-i {placed('private_key')}", *(f"-o {key}={value}" for key, value in options.items())])
    return _Access(
        options=(f"--option=sftp.args={ssh}",),
        files={"private_key": machine.private_key, "known_hosts": SecretStr(machine.known_hosts)},
    )


def _both(first: _Access, second: _Access) -> _Access:
    return _Access(
        options=tuple(dict.fromkeys((*first.options, *second.options))),
        environment={**second.environment, **first.environment},
        secrets={**second.secrets, **first.secrets},
        files={**second.files, **first.files},
    )


def _rates(limits: Limits) -> tuple[str, ...]:
    rates = {"--limit-upload": limits.upload_kib_per_second, "--limit-download": limits.download_kib_per_second}
    return tuple(f"{option}={rate}" for option, rate in rates.items() if rate)
