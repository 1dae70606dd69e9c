"""Make a repository's password and the sheet of paper on which it outlives the servers."""

import os
import re
import secrets
from datetime import date
from pathlib import Path
from typing import cast

from prefect.variables import Variable
from pydantic import SecretStr

from blocks import BackupRepository
from blocks.registered import load_registered
from deployments.environment_files import load
from deployments.environment_files.references import BadReferenceError, read_secret
from deployments.registration import prefect_api
from odoo_ops.commands.repositories import restic_address
from odoo_ops.errors import PreconditionFailed, Refused
from odoo_ops.model.base import Value
from odoo_ops.policy.recovery_keys import check_characters, kept_mark, kept_variable, new_password, same_characters
from odoo_ops.render import render

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Place(Value):
    """Where a repository is, as restic writes it, and whose backups it holds; empty: written by hand."""

    address: str = ""
    environments: tuple[str, ...] = ()


def described_place(repository: str, address: str, files: Path | None) -> Place:
    """What the sheet tells of a repository: the address that was given, else all that the environment files know.

    Raises InvalidConfiguration for mistakes in the files, PreconditionFailed where they name no such repository.
    """
    if files is None:
        return Place(address=address)
    found = load(files, look=False)
    if repository not in found.repositories:
        raise PreconditionFailed(
            f"No file in {files} describes a repository {repository}. Nothing was written. Next step: correct the "
            "name, or leave --environments out and give the --address."
        )
    owners = (name for name, one in found.environments.items() if repository in {one.repository, one.offsite})
    return Place(address=address or restic_address(found.repositories[repository]), environments=tuple(sorted(owners)))


def generate_key(repository: str, secret_file: Path, sheet: Path, place: Place) -> SecretStr:
    """Write a new random password and its sheet, each into a new file that only its owner may read.

    Raises PreconditionFailed when either file is there already or cannot be written; then there is neither.
    """
    for file in (secret_file, sheet):
        _refuse_existing(file)
    password = new_password(secrets.choice)
    _write_new(sheet, _sheet(repository, password, place))
    try:
        _write_new(secret_file, f"{password}\n")
    except PreconditionFailed:
        sheet.unlink()
        raise
    return SecretStr(password)


def write_sheet(repository: str, secret_file: Path, sheet: Path, place: Place) -> None:
    """Write the sheet of a password that a file holds. Raises PreconditionFailed."""
    _refuse_existing(sheet)
    try:
        password = cast("SecretStr", read_secret({"from_file": str(secret_file)}, look=True))
    except BadReferenceError as error:
        raise PreconditionFailed(f"There is no password to print: {error}. Nothing was written.") from None
    _write_new(sheet, _sheet(repository, password.get_secret_value(), place))


def confirm_key(repository: str, typed: str) -> None:
    """Put on record in Prefect that the registered password of a repository is kept elsewhere.

    Raises Refused for check characters other than those of its sheet, PreconditionFailed when none is registered or
    it cannot be read.
    """
    with prefect_api():
        block = load_registered(BackupRepository, "repository", repository)
        password = block.settings.password.get_secret_value()
        if not same_characters(typed, check_characters(repository, password)):
            raise Refused(
                f"These are not the check characters of the password with which {repository} is registered. Nothing "
                "was put on record. Next step: look at the sheet once more; if it is of an older password, register "
                "the new one, or print a sheet of the present one with `odoo-ops keys sheet`."
            )
        Variable.set(kept_variable(repository), kept_mark(repository, password), overwrite=True)


def _sheet(repository: str, password: str, place: Place) -> str:
    if not _NAME.fullmatch(repository):
        raise Refused(
            f"{repository!r} is not the name of a repository: small letters, digits and dashes. Nothing was written."
        )
    return render(
        "keys/recovery_sheet.html",
        repository=repository,
        password=password,
        check=check_characters(repository, password),
        place=place,
        made_on=date.today().isoformat(),  # noqa: DTZ011 - the day on the operator's wall
    )


def _refuse_existing(file: Path) -> None:
    if os.path.lexists(file):
        raise PreconditionFailed(
            f"{file} is there already and is not overwritten: it may hold the only copy of a password. Nothing was "
            "written. Next step: name another file, or move this one away."
        )


def _write_new(file: Path, text: str) -> None:
    """Write a file that was not there, for its owner alone; a half written one is deleted again."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritten(file, error) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        file.unlink()
        raise _unwritten(file, error) from None


def _unwritten(file: Path, error: OSError) -> PreconditionFailed:
    return PreconditionFailed(f"{file} cannot be written: {error.strerror}. Next step: name another file.")
