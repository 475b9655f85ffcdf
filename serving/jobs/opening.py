"""Joins what the routes of requests stand on, once at the gateway's start."""

from collections.abc import Callable

from modelyard.registry.identity.identity import Identity
from modelyard.registry.jobs.backlog import QueueBacklog
from modelyard.registry.runs.served_flows import ServedFlows
from modelyard.serving.cache import SingleFlightCache
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.admission import JobAdmission
from modelyard.serving.jobs.desk import RequestDesk
from modelyard.serving.jobs.estimate_check import EstimateCheck
from modelyard.serving.jobs.intake.acting import Behalf
from modelyard.serving.jobs.intake.intake import Intake
from modelyard.serving.jobs.outlook import LOOKED_S, Outlooks
from modelyard.serving.jobs.running.owners import JobOwners
from modelyard.serving.jobs.services import JobServices
from modelyard.serving.observability.estimate_stats import EstimateStats


def desk_of(  # noqa: PLR0913  one of each room
    jobs: JobServices,
    gateway: Gateway,
    queries: Queries,
    *,
    identity: Identity,
    flows: ServedFlows,
    check_url: Callable[[str], None],
    stats: EstimateStats,
) -> RequestDesk:
    """`check_url` raises InvalidRequest for a URL that no callback may be sent to."""
    router = gateway.router
    queue = jobs.queue
    backlog = SingleFlightCache[None, list[QueueBacklog]](
        lambda _: queue.backlog(), seconds=LOOKED_S
    )
    return RequestDesk(
        Intake(
            Behalf(identity, gateway.gate),
            gateway.versions,
            flows,
            check_url,
        ),
        JobAdmission(gateway.gate, router.snapshots, queries),
        queue,
        jobs.book,
        Outlooks(jobs.book, router, backlog),
        EstimateCheck(jobs.book, stats),
        JobOwners(identity),
        jobs.heard,
    )
