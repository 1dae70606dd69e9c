"""Entry of the agent: one request, one operation, one result."""

import os
import time
import traceback
from collections.abc import Callable
from typing import Any

from odoo_ops.hostside import files, filestore, locks, ports, processes, relay, restic
from odoo_ops.hostside.channel import OperationError, standard_channel

_OPERATIONS: dict[str, Callable[..., object]] = {
    **files.OPERATIONS,
    **filestore.OPERATIONS,
    **locks.OPERATIONS,
    **ports.OPERATIONS,
    **processes.OPERATIONS,
    **restic.OPERATIONS,
}


def main(request: dict[str, Any]) -> None:
    """Do the one operation that a request names and report its result or error."""
    channel = standard_channel()
    if request["operation"] == "relay":  # takes stdin and stdout over as raw bytes
        relay.relay(channel, **request["arguments"])
        return
    channel.watch()
    begun = time.monotonic()
    try:
        value = _OPERATIONS[request["operation"]](channel, **request["arguments"])
    except OperationError as error:
        channel.end_children()
        channel.send("error", kind=error.kind, message=str(error), details=error.details)
    except OSError as error:
        channel.end_children()
        channel.send("error", kind="PreconditionFailed", message=str(error), details={})
    except BaseException:  # the outermost frame: nobody else can report it
        channel.end_children()
        channel.send("error", kind="AgentCrashed", message=traceback.format_exc(), details={})
    else:
        channel.send("result", value=value, seconds=time.monotonic() - begun)
    os._exit(0)  # the thread that reads stdin would hold up an ordinary end
