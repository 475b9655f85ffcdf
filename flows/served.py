"""The deployments that `modelyard flows` serves to a Prefect server, in this process."""

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from prefect import serve

from flows.ingest import ingest
from flows.upkeep import upkeep

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

MOST_AT_ONCE = 2
"""Ingests share the machine's cores with the engines: more at once would only be slower."""


def run() -> None:
    """Serve until ended; Prefect's pages and API start runs of these by name."""
    daily = timedelta(days=1)
    once = ingest.to_deployment(
        "ingest", description="A model from the Hub into the registry.", tags=["modelyard"]
    )
    regular = upkeep.to_deployment(
        "daily", description="Remove what stopped runs left.", tags=["modelyard"], interval=daily
    )
    # Both calls have an asynchronous twin, which types alone cannot tell from them.
    deployments = cast("tuple[RunnerDeployment, RunnerDeployment]", (once, regular))
    serve(
        *deployments,
        limit=MOST_AT_ONCE,
        pause_on_shutdown=False,
        print_starting_message=False,
    )
