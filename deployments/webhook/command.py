"""The command `odoo-ops webhook serve`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from prefect.settings import get_current_settings

from deployments.command_line import errors_told
from deployments.webhook.app import make_app
from deployments.webhook.logs import log_as_json
from deployments.webhook.receiver import Receiver
from odoo_ops.errors import PreconditionFailed

app = typer.Typer(no_args_is_help=True, help="The webhook receiver: a push becomes a release.")

_FAILED = 2
_MAX_BODY_BYTES = 25_000_000  # GitHub sends no larger ones, and none again
_SWITCH_SECONDS = 0.0005
# When the receiver ends, what has not come by then is lost: GitHub waits for 10 s, and sends nothing again by itself.
_SLOW_SENDER_SECONDS = 15


@app.callback()
def main() -> None:
    """The webhook receiver: a push becomes a release."""


@app.command("serve")
def serve(
    *,
    queue: Annotated[Path, typer.Option(help="File of the queue, on a local disk; made where it is not there.")],
    host: Annotated[str, typer.Option(help="Address to listen on. Strangers reach it by nginx only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8090,
    max_body_bytes: Annotated[int, typer.Option(help="Larger deliveries are refused (413).")] = _MAX_BODY_BYTES,
) -> None:
    """Take deliveries of the webhook sources that are registered in Prefect (PREFECT_API_URL), until it is ended."""
    log_as_json()
    with errors_told(_FAILED):
        if not get_current_settings().api.url:
            raise PreconditionFailed(
                "No Prefect API is named. Next step: `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`, "
                "with your server's address."
            )
        receiver = Receiver(queue.absolute(), max_body_bytes=max_body_bytes)
    # Each answer is written in a call that lets the worker threads in; they give way after this, not after 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    uvicorn.run(
        make_app(receiver),
        host=host,
        port=port,
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SLOW_SENDER_SECONDS,
    )
