"""Reads and ends flow runs on the Prefect server of this process."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

TAG = "modelyard"
"""The tag of our deployments, and so of their runs."""

UNKNOWN = ""
"""The state of a run that the server does not know, or cannot be asked about."""


@dataclass(frozen=True, slots=True)
class PrefectRuns:
    """The runs that `client` sees; states are Prefect's types, such as RUNNING or CANCELLING."""

    client: "SyncPrefectClient"

    def state(self, run_id: str) -> str:
        """The type of a run's state; UNKNOWN where the server has no answer."""
        from httpx import HTTPError
        from prefect.exceptions import ObjectNotFound

        with suppress(ObjectNotFound, HTTPError, ValueError):
            state = self.client.read_flow_run(UUID(run_id)).state
            return state.type.value if state else UNKNOWN
        return UNKNOWN

    def stuck(self, before: "datetime") -> list[str]:
        """Runs of a deployment that a runner took before then, and never began."""
        from httpx import HTTPError
        from prefect.client.schemas.filters import FlowRunFilter

        wanted = FlowRunFilter.model_validate(
            {
                "state": {"type": {"any_": ["PENDING"]}},
                "deployment_id": {"is_null_": False},
                "tags": {"all_": [TAG]},
            }
        )
        with suppress(HTTPError):
            runs = self.client.read_flow_runs(flow_run_filter=wanted)
            taken = [(run.id, run.state.timestamp) for run in runs if run.state]
            return [str(run_id) for run_id, since in taken if since < before]
        return []

    def cancel(self, run_id: str, message: str) -> None:
        from prefect.states import Cancelled

        self._end(run_id, Cancelled(message=message))

    def crash(self, run_id: str, message: str) -> None:
        """End a run whose process is dead; its concurrency slot is free again."""
        from prefect.states import Crashed

        self._end(run_id, Crashed(message=message))

    def _end(self, run_id: str, state: "State") -> None:
        from httpx import HTTPError
        from prefect.exceptions import ObjectNotFound

        with suppress(ObjectNotFound, HTTPError):  # whoever looks next tries again
            self.client.set_flow_run_state(UUID(run_id), state, force=True)
