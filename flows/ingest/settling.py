"""Settles dead runs on the Prefect server that this process is set to."""

from prefect.client.orchestration import get_client

from modelyard.flows.context import FlowContext
from modelyard.flows.ingest.undo import undo
from modelyard.flows.prefect.flow_runs import PrefectRuns
from modelyard.flows.runs.dead import DeadRuns


def settle(context: FlowContext) -> list[str]:
    """End dead runs everywhere; returns a sentence for each."""
    with get_client(sync_client=True) as client:
        return DeadRuns(context, PrefectRuns(client), undo).settle()
