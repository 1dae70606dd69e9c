"""A flow as people start it and answer it in Prefect's UI: by its deployment, each part in a process of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Scheduled
from real_processes import execute_run


@dataclass(frozen=True)
class DeployedFlow:
    """
    Attributes:
        deployment: of the flow.
        folder: for what its processes write.
    """

    client: SyncPrefectClient
    deployment: UUID
    folder: Path

    @classmethod
    @contextmanager
    def of(cls, flow: Flow[..., Any], folder: Path) -> Iterator["DeployedFlow"]:
        with get_client(sync_client=True) as client:
            entrypoint = f"flows.{flow.name}.{flow.name}"
            yield cls(
                client, client.create_deployment(client.create_flow(flow), "by hand", entrypoint=entrypoint), folder
            )

    def run(self, **parameters: object) -> FlowRun:
        """Start it; the run as it is when its process has ended."""
        run = self.client.create_flow_run_from_deployment(self.deployment, parameters=parameters)
        return self.execute(run.id)

    def execute(self, run: UUID) -> FlowRun:
        """Let a run begin or go on; how it is when its process has ended."""
        said = execute_run(run, self.folder)
        found = self.client.read_flow_run(run)
        assert found.state, said
        assert found.state.is_final() or found.state.is_paused(), said
        return found

    def begin_now(self, run: UUID) -> FlowRun:
        """Let a run begin that is planned for later; how it is when its process has ended."""
        self.client.set_flow_run_state(run, Scheduled(), force=True)
        return self.execute(run)

    def asked(self, run: FlowRun) -> str:
        """The plan that the form names by which a suspended run asks for its approval."""
        assert run.state
        assert run.state.name == "Suspended", run.state
        keys = run.state.state_details.run_input_keyset
        assert keys
        form = json.loads(self.client.read_flow_run_input(run.id, keys["schema"]))
        return str(form["properties"]["plan"]["default"])

    def approve(self, run: FlowRun, plan: str) -> State:
        """Answer the form, and let the run go on; how it ended."""
        self.client.resume_flow_run(run.id, run_input={"plan": plan})
        state = self.execute(run.id).state
        assert state
        return state

    def page_of(self, run: FlowRun) -> str:
        """What the run published."""
        artifacts = self.client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
        (page,) = [str(each.data) for each in artifacts if each.type == "markdown"]
        return page

    def planned(self) -> list[FlowRun]:
        """Runs of it that are to begin later."""
        of_it = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self.deployment]))
        runs = self.client.read_flow_runs(flow_run_filter=of_it)
        return [run for run in runs if run.state and run.state.is_scheduled()]
