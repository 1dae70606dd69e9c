"""What a task may be tried again for."""

from typing import Any

from prefect.client.schemas.objects import State

from odoo_ops.errors import TransientError

TRIES_AGAIN = 2
WAIT_SECONDS = 5


def is_transient(_task: object, _run: object, state: State[Any]) -> bool:
    """Retry condition of tasks that only read, or whose second time does no harm: a lost connection, no answer.

    All others are not repeated blindly: the next run reads the state first.
    """
    return isinstance(state.result(raise_on_failure=False), TransientError)
