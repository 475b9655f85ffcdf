"""Carries out what admins ordered about runs and models; each order may be carried out twice.

A process that is killed between an act and writing it down leaves its order waiting. Prefect makes
one run of an order's id however often it is asked; to cancel or remove twice is to do so once.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.errors import PrefectUnreachable
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.own_command import run_command
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.run_orders import RunOrders
from modelyard.registry.database import new_id
from modelyard.registry.errors import ModelyardError, RunEnded, UnknownModel
from modelyard.registry.logs import logger
from modelyard.registry.runs.orders import OrderKind, OrderState, RunOrder

EVERY_S = 0.5
"""Seconds between two looks at the orders."""

BEAT_EVERY = 10
"""Looks between two signs of life."""

_log = logger("modelyard.flows")


def remove_model(name: str, force: bool) -> str:  # noqa: FBT001 - as the order says it
    """Remove what the name means, as the command does; returns why it failed, if it did."""
    words = ("models", "remove", name, "--yes", *(("--force",) if force else ()))
    code, problem = run_command(*words)
    # Removed already, by a process that died before it wrote it down.
    return "" if code == UnknownModel.exit_code else problem


@dataclass(frozen=True, slots=True)
class OrderRunner:
    """Carries out waiting orders at one Prefect server; `remove` removes a model."""

    context: FlowContext
    prefect: RunOrders
    remove: Callable[[str, bool], str] = remove_model
    process_id: str = field(default_factory=new_id)

    def look(self) -> None:
        """Carry out every order that waits; those that Prefect is not there for wait on."""
        for order in self.context.orders.waiting():
            try:
                message, run_id = self._carried_out(order)
            except PrefectUnreachable as error:
                _log.warning("order_waits", order=order.id, reason=str(error))
            except ModelyardError as error:
                self.context.orders.settle(order.id, OrderState.REFUSED, str(error))
            except Exception as error:  # noqa: BLE001 - the next order may be a better one
                _log.exception("order_failed", order=order.id, exc_info=error)
                problem = f"It failed: {type(error).__name__}; the log of the flows has it."
                self.context.orders.settle(order.id, OrderState.REFUSED, problem)
            else:
                self.context.orders.settle(order.id, OrderState.DONE, message, run_id)

    def _carried_out(self, order: RunOrder) -> tuple[str, str | None]:
        """What was done, and the id of the run that it is about."""
        told = order.parameters
        match order.kind:
            case OrderKind.INGEST:
                fields: dict[str, Any] = {**told, "quantize": tuple(told["quantize"])}
                IngestRequest(**fields)  # raises where the flow would fail at once
                return "The run has begun.", self.prefect.begin(told, order.id)
            case OrderKind.CANCEL:
                run_id = self._prefect_id(told["run_id"])
                self.prefect.cancel(run_id)
                return "The run is being cancelled.", run_id
            case OrderKind.RETRY:
                run_id = self._prefect_id(told["run_id"])
                return "The run begins again.", self.prefect.repeat(run_id, order.id)
            case OrderKind.REMOVE:
                if problem := self.remove(told["model"], told["force"]):
                    raise RunEnded(problem)
                return f"{told['model']} is removed.", None

    def _prefect_id(self, run_id: str) -> str:
        run = self.context.board.named(run_id)
        if run.prefect_run_id is None:
            raise RunEnded(f"Prefect does not know the run {run.id}.", fix="End it where it runs.")
        return run.prefect_run_id


@contextmanager
def orders_carried_out(server: Prefect, every_s: float = EVERY_S) -> Generator[None]:
    """Carry out orders in a thread while the block runs, and say that somebody does."""
    ended = threading.Event()
    threading.Thread(target=_run, args=(ended, server, every_s), name="orders", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _run(ended: threading.Event, server: Prefect, every_s: float) -> None:
    with open_context() as context:
        runner = OrderRunner(context, RunOrders(server))
        processes = context.flow_processes
        look = 0
        while not ended.is_set():
            try:
                if look % BEAT_EVERY == 0:
                    processes.beat(runner.process_id)
                    context.orders.clear()
                runner.look()
            except Exception as error:  # noqa: BLE001 - the database may be back with the next look
                _log.exception("orders_not_read", exc_info=error)
            look += 1
            ended.wait(every_s)
        with suppress(Exception):
            processes.leave(runner.process_id)
