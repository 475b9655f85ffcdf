"""Settles dead runs on the Prefect server that this process is set to."""

from collections.abc import Generator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.exceptions import Abort

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.ingest.undo import undo
from modelyard.flows.prefect.flow_runs import PrefectRuns
from modelyard.flows.runs.dead import DeadRuns


def settle(context: FlowContext) -> list[str]:
    """End dead runs everywhere; returns a sentence for each."""
    with get_client(sync_client=True) as client:
        return DeadRuns(context, PrefectRuns(client), undo).settle()


@contextmanager
def settled_when_aborted() -> Generator[None]:
    """Undo the run of this process if it is aborted in the block; the Abort then says what stays.

    Whoever aborts a run (flows/runs/cancellation.py) has nobody beside it who would.
    """
    try:
        yield
    except Abort as error:
        with open_context() as context:
            said = " ".join(settle(context))
        raise Abort(said or str(error)) from None
