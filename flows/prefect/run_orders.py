"""Cancels and repeats flow runs at a Prefect server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from modelyard.flows.errors import PrefectRefused, PrefectUnreachable
from modelyard.flows.prefect.address import PATIENCE_S, Prefect
from modelyard.registry.web.authorization import basic

DEPLOYMENT = "ingest/ingest"


@dataclass(frozen=True, slots=True)
class RunOrders:
    """The flow runs of one server, named by Prefect's ids."""

    server: Prefect

    def cancel(self, run_id: str) -> None:
        """Have whoever runs it end it; raises PrefectRefused where it has ended already."""
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
        headers = {"Authorization": basic(self.server.login).decode()} if self.server.login else {}
        try:
            answer = httpx2.request(
                method,
                f"{self.server.url}{path}",
                json=body,
                headers=headers,
                timeout=PATIENCE_S,
            )
        except httpx2.HTTPError as error:
            raise PrefectUnreachable(
                f"The Prefect server at {self.server.url} does not answer: {error}.",
                fix="Start it, or correct PREFECT_API_URL.",
            ) from None
        if answer.status_code == 404:
            raise PrefectRefused(
                f"The Prefect server at {self.server.url} does not know {path}.",
                fix="The run is another server's; or `modelyard flows` does not serve the flows.",
            )
        if not answer.is_success:
            raise PrefectRefused(
                f"The Prefect server at {self.server.url} answers {answer.status_code}.",
                fix="See PREFECT_API_AUTH_STRING, and its log.",
            )
        return answer.json()
