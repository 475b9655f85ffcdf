"""Runs the requests that Prefect is for, in a thread beside the flows' own work."""

import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.requests.dispatching import FlowJobs
from modelyard.flows.requests.job_runs import JobRuns
from modelyard.registry.database import new_id
from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger

EVERY_S = 1.0
"""Seconds between two looks at the queue and at the runs."""

DEPLOYED_EVERY = 5
"""Looks between two at which deployments there are, and which runs nobody waits for."""

END_S = 10.0
"""Seconds that the last look may take at the end."""

_log = logger("modelyard.flows")


def flow_jobs(context: FlowContext, server: Prefect) -> FlowJobs:
    """Those of a new claimer: a name, and an id of this start."""
    claimer = f"flows-{socket.gethostname()[:60]}-{os.getpid()}/{new_id()}"
    return FlowJobs(
        context.job_queue, context.job_book, context.served_flows, JobRuns(server), claimer
    )


@contextmanager
def requests_served(server: Prefect, every_s: float = EVERY_S) -> Generator[None]:
    """Have requests run while the block runs; at its end they are left to whoever comes next."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_run, args=(ended, server, every_s), name="requests", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_S)


def _run(ended: threading.Event, server: Prefect, every_s: float) -> None:
    with open_context() as context:
        jobs = flow_jobs(context, server)
        look = 0
        while not ended.is_set():
            is_wide = look % DEPLOYED_EVERY == 0
            wide = (jobs.find_deployed, jobs.end_left) if is_wide else ()
            _attempt(jobs.follow, *wide, jobs.take, context.job_upkeep.look)
            look += 1
            ended.wait(min(every_s, jobs.queue.lease_s / 3))
        _attempt(jobs.give_back)


def _attempt(*steps: Callable[[], None]) -> None:
    """Do each; what fails is tried again with the next look, and keeps nothing else from it."""
    for step in steps:
        try:
            step()
        except ModelyardError as error:
            _log.warning("requests_not_followed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the database may be back with the next look
            _log.exception("requests_not_followed", exc_info=error)
