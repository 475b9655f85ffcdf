"""Faults that strike a run at one of its points: killed, cancelled, removed, a full disk.

The points are the steps that it shows on the board, and what it does while it registers.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from modelyard.flows.steps.publish.embed import embed
from modelyard.flows.steps.publish.register import Registrar
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.mlflow.aliases import MlflowAliases
from modelyard.registry.runs.recorder import RunRecorder

PATIENCE_S = 120.0
POINTS = {
    function.__code__: function.__qualname__
    for function in (
        RunRecorder.step,
        embed,
        Registrar.finish,
        Catalog.finish,
        MlflowAliases.tell,
        RunRecorder.finish,
    )
}


@dataclass(slots=True)
class StepFault:
    """A profile function: notes each point, and strikes at the one of this number."""

    fault: str = ""
    at: int = -1
    model: str = ""
    points: list[str] = field(default_factory=list[str])

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in POINTS:
            self.points.append(frame.f_locals.get("name", POINTS[frame.f_code]))
            if len(self.points) - 1 == self.at:
                FAULTS[self.fault](self.model)


def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _cancel(_: str) -> None:
    """As the button on Prefect's page does, then wait for what it leads to."""
    from uuid import UUID

    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run
    from prefect.states import Cancelling

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(flow_run.get_id()), Cancelling())
    threading.Event().wait(PATIENCE_S)


def _orphan_and_cancel(model: str) -> None:
    """Kill whoever started this process, as a runner that is killed while its run works."""
    os.kill(os.getppid(), signal.SIGKILL)
    _cancel(model)


def _remove(model: str) -> None:
    from modelyard.serving.cli.catalog.removal import removal_of
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        removal_of(registry, model).carry_out()


def _fill(_: str) -> None:
    """Write until the volume of the data folder is full."""
    with filler().open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def filler() -> Path:
    return Path(os.environ["MODELYARD_DATA_DIR"]) / "filler"


def let_go() -> None:
    """Make room again."""
    filler().unlink(missing_ok=True)


FAULTS: dict[str, Callable[[str], None]] = {
    "kill": _kill,
    "cancel": _cancel,
    "orphan and cancel": _orphan_and_cancel,
    "remove": _remove,
    "full disk": _fill,
}
