"""How restic is told where a repository is and how it may be opened.

https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

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
# exit status where that was too short (restic 0.17 and later)
LOCKED = 11

# what the login knows of other repositories; where restic's cache is (RESTIC_CACHE_DIR) is of the host
_OF_OTHERS = (
    "RESTIC_REPOSITORY",
    "RESTIC_PASSWORD",
    "RESTIC_FROM_",
    "RESTIC_REST_",
    "RESTIC_KEY_HINT",
    "RESTIC_HOST",
    "RESTIC_CACERT",
    "RESTIC_TLS_CLIENT_CERT",
    "AWS_",
    "RCLONE_",
)

# what rclone calls the repository that it reaches for restic
_REMOTE = "odoo_ops"
AMAZON = re.compile(r"https?://s3(?:[.-](?P<region>[a-z0-9-]+))?\.amazonaws\.com")


@dataclass(frozen=True)
class _Access:
    """How restic reaches a repository: its address (secret where it holds a password), options, variables, files."""

    address: str | SecretStr
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    files: Mapping[str, SecretStr] = field(default_factory=dict)


def repository_command(
    program: str, repository: OpenRepository, *arguments: str, source: OpenRepository | None = None
) -> Command:
    """A restic command on a repository; with `source`, one that reads from that one too (`restic copy`)."""
    access = _access(repository)
    passwords = {"RESTIC_PASSWORD": repository.password}
    addresses = {"RESTIC_REPOSITORY": access.address}
    if source is not None:
        access, other = _access_to_both(repository, source)
        passwords["RESTIC_FROM_PASSWORD"] = source.password
        addresses = {"RESTIC_REPOSITORY": access.address, "RESTIC_FROM_REPOSITORY": other.address}
        access = _trusting_system(_merged(access, other))
    limits = repository.limits if source is None else repository.limits.and_of(source.limits)
    processors = {"GOMAXPROCS": str(limits.processors)} if limits.processors else {}
    by_rclone = any(str(address).startswith("rclone:") for address in addresses.values())
    shown = {name: address for name, address in addresses.items() if isinstance(address, str)}
    hidden = {name: address for name, address in addresses.items() if isinstance(address, SecretStr)}
    return Command(
        argv=(program, _PATIENCE, *access.options, *_rates(limits), *arguments),
        environment={**access.environment, **shown, **processors, "RESTIC_PROGRESS_FPS": "2"},
        secrets={**access.secrets, **hidden, **passwords},
        files=access.files,
        without=_OF_OTHERS,
        next_step=(
            f"see that the repository {repository.name} answers, that its disk is mounted and has room and that its "
            "keys may still do that"
            + (", that the host has rclone, and that the region of a bucket is written" if by_rclone else "")
            + "; then run again: it settles what was left. What was not proved does not count."
        ),
        next_steps={
            LOCKED: (
                f"another run works in the repository {repository.name}"
                + (f", or in {source.name}" if source else "")
                + ", and did not end for forty minutes. Run this again at a time at which no other flow of any "
                "environment in that repository runs (`prune` and `check_repository` hold it for themselves). If "
                "nothing works there: `restic unlock --remove-all`."
            )
        },
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
    address = restic_address(repository)
    match repository.location:
        case S3Location(region=region):
            return _access_to_s3(address, region, repository.keys)
        case SftpLocation() as machine:
            return _access_by_ssh(address, machine)
        case RestLocation(user=user, password=password) as server:
            return replace(
                _access_by_http(address, server),
                environment={"RESTIC_REST_USERNAME": user} if user else {},
                secrets={"RESTIC_REST_PASSWORD": password} if password else {},
            )
        case FolderLocation():
            return _Access(address)


def _access_to_both(repository: OpenRepository, source: OpenRepository) -> tuple[_Access, _Access]:
    """The accesses to two repositories in one command, each of them with its own keys.

    Of each kind restic's variables take one set alone:
    https://restic.readthedocs.io/en/stable/045_working_with_repos.html#copying-snapshots-between-repositories
    """
    if repository.set_of_keys == source.set_of_keys:
        return _access(repository), _access(source)
    match repository.location, source.location:
        case S3Location() as bucket, S3Location() as other:
            return _access_to_buckets((bucket, repository), (other, source))
        case SftpLocation() as machine, SftpLocation() as other:
            return (
                _access_by_ssh(restic_address(repository), machine, other),
                _access_by_ssh(restic_address(source), machine, other),
            )
        case RestLocation() as server, RestLocation() as other:
            mine, theirs = _address_with_user(server), _address_with_user(other)
            return _access_by_http(mine, server, other), _access_by_http(theirs, server, other)
        case _:
            return _access(repository), _access(source)


def _access_to_buckets(
    copies: tuple[S3Location, OpenRepository], backups: tuple[S3Location, OpenRepository]
) -> tuple[_Access, _Access]:
    """One of both by rclone; if it can be, that of the backups, into which a copy writes nothing but its lock."""
    (bucket, repository), (other, source) = copies, backups
    if source.keys and source.suits_rclone:
        return _access(repository), _access_by_rclone(other, source.keys)
    if repository.keys and repository.suits_rclone:
        return _access_by_rclone(bucket, repository.keys), _access(source)
    # the host's role opens both, and restic asks for their regions
    return _Access(restic_address(repository)), _Access(restic_address(source))


def _access_to_s3(address: str, region: str | None, keys: S3Keys | None) -> _Access:
    environment = {"AWS_DEFAULT_REGION": region} if region else {}
    if keys is None:  # the host's own role
        return _Access(address, environment=environment)
    return _Access(
        address,
        environment={**environment, "AWS_ACCESS_KEY_ID": keys.access_key_id},
        secrets={"AWS_SECRET_ACCESS_KEY": keys.secret_access_key},
    )


def _access_by_rclone(bucket: S3Location, keys: S3Keys) -> _Access:
    """The same files of the same bucket by rclone (1.60 or later), which is told its keys under a name of their own.

    https://rclone.org/s3/, https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#other-services-via-rclone
    """
    amazon = AMAZON.fullmatch(bucket.endpoint)
    fields = {
        "TYPE": "s3",
        "PROVIDER": "AWS" if amazon else "Other",
        # without one, rclone goes where Amazon says that the bucket is
        "ENDPOINT": "" if amazon else bucket.endpoint,
        "REGION": bucket.region or (amazon and amazon["region"]),
        "ACCESS_KEY_ID": keys.access_key_id,
        "NO_CHECK_BUCKET": "true",  # never makes one
    }
    named = f"RCLONE_CONFIG_{_REMOTE.upper()}"
    return _Access(
        f"rclone:{_REMOTE}:{bucket.bucket}/{bucket.prefix}".rstrip("/"),
        environment={
            "RCLONE_CONFIG": "/dev/null",  # the login's own may be encrypted
            **{f"{named}_{field}": value for field, value in fields.items() if value},
        },
        secrets={f"{named}_SECRET_ACCESS_KEY": keys.secret_access_key},
    )


def _access_by_ssh(address: str, *machines: SftpLocation) -> _Access:
    """SSH tries one key after the other; the host keys of each machine count for that one alone."""
    keys = {f"private_key{number or ''}": machine.private_key for number, machine in enumerate(machines)}
    known = "\n".join(machine.known_hosts for machine in machines)
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
    identities = (f"-i {placed(name)}" for name in keys)
    ssh = " ".join(["-F none", *identities, *(f"-o {key}={value}" for key, value in options.items())])
    return _Access(address, options=(f"--option=sftp.args={ssh}",), files={**keys, "known_hosts": SecretStr(known)})


def _address_with_user(server: RestLocation) -> SecretStr:
    """What restic takes for a server's user before its variables; it shows no password of an address."""
    password = server.password.get_secret_value() if server.password else ""
    user = f"{quote(server.user, safe='')}:{quote(password, safe='')}@" if server.user else ""
    scheme, _, rest = server.url.partition("://")
    return SecretStr(f"rest:{scheme}://{user}{rest}/")


def _access_by_http(address: str | SecretStr, *servers: RestLocation) -> _Access:
    certificates = "\n".join(server.certificate for server in servers if server.certificate)
    return _Access(
        address,
        options=(f"--cacert={placed('certificate')}",) if certificates else (),
        files={"certificate": SecretStr(certificates)} if certificates else {},
    )


def _merged(first: _Access, second: _Access) -> _Access:
    return _Access(
        first.address,
        options=tuple(dict.fromkeys((*first.options, *second.options))),
        environment={**second.environment, **first.environment},
        secrets={**second.secrets, **first.secrets},
        files={**second.files, **first.files},
    )


def _trusting_system(access: _Access) -> _Access:
    """Trust the host's own authorities beside the given certificates, which `--cacert` alone would not.

    Go's crypto/x509 reads the file of this variable, and the host's folders of authorities.
    """
    option = f"--cacert={placed('certificate')}"
    if option not in access.options:
        return access
    return replace(
        access,
        options=tuple(each for each in access.options if each != option),
        environment={**access.environment, "SSL_CERT_FILE": placed("certificate")},
    )


def _rates(limits: Limits) -> tuple[str, ...]:
    rates = {"--limit-upload": limits.upload_kib_per_second, "--limit-download": limits.download_kib_per_second}
    return tuple(f"{option}={rate}" for option, rate in rates.items() if rate)
