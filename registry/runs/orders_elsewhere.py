"""Orders about runs, given to a gateway elsewhere and followed until they are carried out."""

import time
from typing import Any

from modelyard.registry.console import GatewayElsewhere, err
from modelyard.registry.errors import OrderRefused
from modelyard.registry.runs.orders import OrderState
from modelyard.registry.runs.state import RunState

EVERY_S = 0.5


def carried_out(
    gateway: GatewayElsewhere, path: str, body: object = None, *, to_the_end: bool = False
) -> dict[str, Any]:
    """Give an order and wait until it is carried out, or until its run has ended.

    Raises OrderRefused where it is refused or its run fails. Ctrl-C leaves the order in force.
    """
    order: dict[str, Any] = gateway.ask("POST", path, body)
    shown = ""
    while not _is_over(order, to_the_end=to_the_end):
        step = _step(order)
        if to_the_end and step != shown:
            err.print(step, style="dim", highlight=False, markup=False)
            shown = step
        time.sleep(EVERY_S)
        order = gateway.ask("GET", f"/api/v1/admin/orders/{order['id']}")
    run = order["run"]
    if order["state"] == OrderState.REFUSED:
        raise OrderRefused(order["message"])
    if to_the_end and run and run["state"] != RunState.COMPLETED:
        raise OrderRefused(f"{run['subject']}: {run['state']}. {run['message']}".strip())
    return order


def _is_over(order: dict[str, Any], *, to_the_end: bool) -> bool:
    if order["state"] != OrderState.DONE or not to_the_end:
        return bool(order["state"] != OrderState.WAITING)
    return order["run"] is not None and order["run"]["state"] != RunState.RUNNING


def _step(order: dict[str, Any]) -> str:
    run = order["run"]
    if run is None:
        return "Waiting until it begins."
    share = f" {run['done'] / run['total']:.0%}" if run["total"] else ""
    return f"{run['step']}{share}"
