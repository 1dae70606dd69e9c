"""Read an Odoo that was set up by hand, and write the environment file that describes it. Nothing is changed."""

import time

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.adoption import AdoptionReport, AdoptionRequest
from odoo_ops.policy import adoption, toolboxes
from odoo_ops.policy.adoption_steps import steps
from odoo_ops.policy.hazards import hazards
from odoo_ops.render import render
from odoo_ops.runtimes.found_process import find_on_host
from odoo_ops.runtimes.found_project import find_in_project


def adopt(machine: HostAdapter, request: AdoptionRequest) -> AdoptionReport:
    """Describe the Odoo that is meant.

    Raises PreconditionFailed when there is none, when several may be meant, or when it cannot be read.
    """
    begun = time.monotonic()
    with machine.agents_kept():
        found = (find_in_project if request.project else find_on_host)(machine, request)
    to_do, toolbox = steps(found), ""
    if toolboxes.lacks_toolbox(found):
        toolbox = render("adoption/toolbox.yaml", toolbox=toolboxes.toolbox(found))
    described = {"steps": to_do, "toolbox": toolbox, "description": adoption.description(found)}
    return AdoptionReport(
        environment=found.name,
        file=render("adoption/environment.yaml", name=found.name, **described),
        to_do=to_do,
        hazards=hazards(found),
        facts=adoption.facts(found),
        toolbox=toolbox,
        seconds=time.monotonic() - begun,
    )
