"""Cancels and repeats flow runs at a Prefect server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.flows.errors import PrefectRefused
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.api import PrefectApi

DEPLOYMENT = "ingest/ingest"
CANCELLED = frozenset({"CANCELLING", "CANCELLED"})
"""Types of the states of a run that was cancelled, also by somebody else."""


@dataclass(frozen=True, slots=True)
class RunOrders:
    """The flow runs of one server, named by Prefect's ids."""

    server: Prefect

    def cancel(self, run_id: str) -> None:
        """Have whoever runs it end it; nothing where that was said already.

        Raises PrefectRefused where it has ended otherwise.
        """
        if self._ask("GET", f"/flow_runs/{run_id}")["state_type"] in CANCELLED:
            return
        state = {"type": "CANCELLING", "name": "Cancelling"}
        answer = self._ask("POST", f"/flow_runs/{run_id}/set_state", {"state": state})
        if answer["status"] != "ACCEPT":
            reason = (answer.get("details") or {}).get("reason") or answer["status"]
            raise PrefectRefused(f"Prefect does not cancel {run_id}: {reason}", fix="")

    def begin(self, parameters: Mapping[str, Any], key: str) -> str:
        """Have the flows' process ingest a model; the same `key` again gives the same run's id."""
        return self._begun(self._ingest(), parameters, key)

    def repeat(self, run_id: str, key: str = "") -> str:
        """Have it run anew by the flows' process, with its parameters; returns the new id.

        The same `key` again gives the same run; without one each call makes another.
        """
        earlier = self._ask("GET", f"/flow_runs/{run_id}")
        deployment = earlier["deployment_id"]
        if deployment is None:  # it was run by a command
            deployment = self._ingest()
        return self._begun(deployment, earlier["parameters"], key)

    def _ingest(self) -> str:
        return str(self._ask("GET", f"/deployments/name/{DEPLOYMENT}")["id"])

    def _begun(self, deployment: str, parameters: Mapping[str, Any], key: str) -> str:
        body = {"parameters": parameters, "idempotency_key": key or None}
        return str(self._ask("POST", f"/deployments/{deployment}/create_flow_run", body)["id"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        return PrefectApi(self.server).ask(method, path, body)
