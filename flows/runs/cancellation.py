"""Stops a run that no Prefect runner supervises once it is cancelled.

A runner or a worker ends the process of a run that is cancelled on Prefect's pages. The process of
a command has nobody beside it, and that of a runner which was killed has nobody any more: there a
thread of its own asks.
"""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from prefect.client.orchestration import get_client
from prefect.exceptions import Abort

from modelyard.flows.prefect.flow_runs import PrefectRuns
from modelyard.flows.prefect.run_orders import CANCELLED

EVERY_S = 2.0
"""Seconds between looks at the run's state."""

_SUPERVISED = "PREFECT__FLOW_RUN_ID"
"""What runners and workers set for the processes that they start."""

_RUNNER = "MODELYARD_RUNNER_PID"
"""Our own runner's process, for the runs that it starts."""


def name_runner() -> None:
    """Have the runs that this process starts know it: they may be alone before they look."""
    os.environ[_RUNNER] = str(os.getpid())


@contextmanager
def stopped_when_cancelled(run_id: str, every_s: float = EVERY_S) -> Generator[None]:
    """Raise Abort in the block, in the main thread, as soon as the run is cancelled."""
    if not (run_id and threading.current_thread() is threading.main_thread()):
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch,
        args=(run_id, _supervisor(), ended),
        kwargs={"every_s": every_s},
        name="cancellation",
        daemon=True,
    )
    before = signal.signal(signal.SIGUSR1, _abort)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()
        signal.signal(signal.SIGUSR1, before)


def _supervisor() -> int | None:
    """The process that ends this one when its run is cancelled; None: there is none."""
    if _SUPERVISED not in os.environ:
        return None
    return int(os.environ.get(_RUNNER) or os.getppid())


def _watch(run_id: str, supervisor: int | None, ended: threading.Event, *, every_s: float) -> None:
    while os.getppid() == supervisor:
        if ended.wait(every_s):
            return
    with get_client(sync_client=True) as client:
        runs = PrefectRuns(client)
        while not ended.wait(every_s):
            if runs.state(run_id) in CANCELLED:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                return


def _abort(_number: int, _frame: FrameType | None) -> None:
    raise Abort("The run was cancelled.")
