"""Write the environment file of an Odoo that runs into a new file."""

from pathlib import Path

from pydantic import ValidationError

from blocks import OdooHost
from blocks.registered import load_registered
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.adoption import AdoptionReport, AdoptionRequest
from odoo_ops.model.host import Host
from odoo_ops.runtimes.adoption import adopt

_HERE = Host(name="this-machine")


def adopt_into(file: Path, **wanted: str) -> AdoptionReport:
    """Describe an Odoo (`AdoptionRequest` says what `wanted` may hold) in a file that is not there yet.

    Without a host it is looked for on this machine, and Prefect is not asked. Raises PreconditionFailed when the file
    is there or cannot be written, when no Odoo is found, or which one is meant is not known.
    """
    try:
        request = AdoptionRequest.model_validate(wanted)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise PreconditionFailed(f"{field}: {error.errors()[0]['msg']}. Nothing was written.") from None
    _refuse_present(file)
    host = load_registered(OdooHost, "host", request.host).settings if request.host else _HERE
    report = adopt(HostAdapter(host), request)
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(report.file)
    except OSError as error:
        raise PreconditionFailed(
            f"{file} cannot be written: {error.strerror}. Next step: name a new file in a folder that is there."
        ) from error
    return report


def _refuse_present(file: Path) -> None:
    if file.exists():
        raise PreconditionFailed(f"{file} is there already and was not replaced. Next step: name a new file.")
