"""Prefect's limits of an environment, on a real server: what a flow says that does not get one, or loses it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from uuid import uuid4

import pytest
from limits import free_limits, make_limits
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from real_processes import wait_until

from odoo_ops.errors import PreconditionFailed, Refused, TransientError
from tasks import locks

pytestmark = pytest.mark.usefixtures("prefect_server")

Lock = Callable[[str], AbstractContextManager[object]]
LOCKS: dict[str, Lock] = {
    "odoo-releases": locks.releases_queued,
    "odoo-environment": lambda environment: locks.environment_locked(environment, "restore"),
}


@pytest.fixture
def environment() -> str:
    return f"erp-{uuid4().hex[:8]}"


@pytest.mark.parametrize("limit", LOCKS)
def test_limit_that_is_missing_is_named_with_the_registration_as_next_step(limit: str, environment: str) -> None:
    with (
        pytest.raises(PreconditionFailed, match=f"no concurrency limit {limit}-{environment}.*environments register"),
        LOCKS[limit](environment),
    ):
        pass


@pytest.mark.parametrize("limit", LOCKS)
def test_limit_that_others_hold_for_too_long_is_refused_and_says_how_to_see_who(
    limit: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_limits(environment)
    with locks._one_at_a_time(f"{limit}-{environment}", 60):
        for name in ("_WAIT_SECONDS", "_RELEASE_WAIT_SECONDS"):
            monkeypatch.setattr(locks, name, 1)
        with (
            pytest.raises(Refused, match=rf"not free within 1\.0 s.*`prefect gcl inspect {limit}-{environment}`"),
            LOCKS[limit](environment),
        ):
            pass


def test_api_that_does_not_answer_is_no_missing_limit(environment: str) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://user:canary@127.0.0.1:9/api"}),
        pytest.raises(TransientError, match="did not say whether the concurrency limit .* is free") as raised,
        locks.releases_queued(environment),
    ):
        pass
    assert "canary" not in str(raised.value)


def test_error_of_what_is_done_meanwhile_stays_what_it_is(environment: str) -> None:
    make_limits(environment)
    with pytest.raises(TimeoutError, match="of the work"), locks.releases_queued(environment):
        raise TimeoutError("of the work")


@pytest.mark.parametrize("limit", LOCKS)
def test_run_goes_on_when_its_place_in_a_limit_cannot_be_renewed_or_given_back(
    limit: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_limits(environment)
    tries: list[object] = []

    def refuse(*_: object, **lease: object) -> None:
        tries.append(lease)
        raise ConnectionError("the server is away")

    monkeypatch.setattr(SyncPrefectClient, "renew_concurrency_lease", refuse)
    with ExitStack() as away, locks._one_at_a_time(f"{limit}-{environment}", 60):
        wait_until(lambda: len(tries) == 3, lambda: f"{tries}", 60)  # Prefect gives up after so many
        time.sleep(1)  # where it ends what is done meanwhile, it does so now
        away.enter_context(temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}))
    free_limits(environment)
