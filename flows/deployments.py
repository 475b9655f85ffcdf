"""The deployments that `modelyard flows` serves to a Prefect server, in this process."""

import asyncio
from contextlib import suppress

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runner import Runner

from modelyard.flows.ingest.flow import ingest
from modelyard.flows.maintenance import is_overdue, upkeep
from modelyard.flows.order_runner import orders_carried_out
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.flow_runs import TAG
from modelyard.flows.reconciling import reconciling
from modelyard.flows.requests.serving import requests_served
from modelyard.flows.runs.cancellation import name_runner

DAILY = "17 4 * * *"
"""When upkeep runs, in UTC. A machine that is off then is kept up as soon as it serves again."""

MOST_AT_ONCE = 2
"""Ingests share the machine's cores with the engines; more at once would only be slower."""


def run(server: Prefect, reconcile_s: float) -> None:
    """Serve until terminated; Prefect's pages and API start runs of these deployments by name.

    Every `reconcile_s` seconds dead runs are settled, and aliases brought together with MLflow.
    What admins order through the gateway is carried out at once, at `server`, and what users handed
    in for Prefect is run there.
    """
    with (
        suppress(KeyboardInterrupt, TerminationSignal),
        reconciling(reconcile_s),
        orders_carried_out(server),
        requests_served(server),
    ):
        asyncio.run(_serve())


async def _serve() -> None:
    """Serve the flow objects of this process.

    Otherwise Prefect would import them again for each run, from its working directory and by the
    steps in the server's deployment record: whoever can write that record could run any code.
    """
    name_runner()
    runner = Runner(name="modelyard", limit=MOST_AT_ONCE, pause_on_shutdown=False)
    await runner.aadd_flow(
        ingest, "ingest", description="A model from the Hub into the registry.", tags=[TAG]
    )
    daily = await runner.aadd_flow(
        upkeep,
        "daily",
        description="Remove what stopped runs left.",
        tags=[TAG],
        cron=DAILY,
    )
    if await asyncio.to_thread(is_overdue):
        async with get_client() as client:
            await client.create_flow_run_from_deployment(daily)
    await runner.start()
