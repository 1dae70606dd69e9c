"""Entry of the agent: for each request one operation and one result."""

import os
import time
from importlib import import_module
from typing import Any

from odoo_ops.hostside.channel import Channel, OperationError, standard_channel
from odoo_ops.hostside.memory_files import forget_files
from odoo_ops.hostside.processors import limit_processors


def main(request: dict[str, Any]) -> None:
    """Do the operation that a request names and report its result, then what the next request names.

    An error is the last thing that is reported: what an operation that failed left in this process is not known.
    The first request says how many processors may be used, if not all.
    """
    if request["processors"]:
        limit_processors(request["processors"])
    channel = standard_channel()
    if request["module"] == "relay":  # takes stdin and stdout over
        import_module("odoo_ops.hostside.relay").serve(channel, request)
        return
    channel.watch()
    while _served(channel, request):
        request = channel.next_request()
    forget_files()
    os._exit(0)  # the thread that reads stdin would hold up an ordinary end


def _served(channel: Channel, request: dict[str, Any]) -> bool:
    """Do an operation. Only its own module is imported: all of them take longer than most operations."""
    begun = time.monotonic()
    try:
        operations = import_module(f"odoo_ops.hostside.{request['module']}").OPERATIONS
        value = operations[request["operation"]](channel, **request["arguments"])
    except OperationError as error:
        channel.end_children()
        channel.send("error", kind=error.kind, message=str(error), details=error.details)
    except OSError as error:
        channel.end_children()
        channel.send("error", kind="PreconditionFailed", message=str(error), details={})
    except BaseException:  # the outermost frame: nobody else can report it
        import traceback

        channel.end_children()
        channel.send("error", kind="AgentCrashed", message=traceback.format_exc(), details={})
    else:
        forget_files()
        channel.send("result", value=value, seconds=time.monotonic() - begun)
        return True
    return False
