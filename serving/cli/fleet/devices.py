"""The devices, and what an admin orders about them, here or at a gateway elsewhere."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from modelyard.registry.errors import SettingsInvalid
from modelyard.serving.cli.connection import elsewhere
from modelyard.serving.errors import NotFound

SHOWN_S = 86_400.0
"""Devices whose workers gave a sign of life within so many seconds are listed."""

DeviceFields = Mapping[str, Any]


def devices() -> list[DeviceFields]:
    """What is known of each device, as GET /api/v1/gpus tells it."""
    if gateway := elsewhere():
        return list(gateway.ask("GET", "/api/v1/gpus")["gpus"])
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        workers = registry.fleet.workers(SHOWN_S)
    return [worker.device.as_json() | {"gpu_id": worker.device_id} for worker in workers]


def device_named(wanted: str) -> str:
    """The id of a device by its id, its index (1, gpu-1) or its name.

    Raises NotFound, or SettingsInvalid where a name fits several.
    """
    known = devices()
    found = (
        [d for d in known if d["gpu_id"] == wanted]
        or [d for d in known if d.get("alias") and d["alias"] == _alias(wanted)]
        or [d for d in known if str(d["name"]).casefold() == wanted.casefold()]
    )
    if not found:
        raise NotFound(
            f"There is no device '{wanted[:100]}'.",
            fix="`modelyard gpus list` lists them: give an id, an index such as gpu-0, or a name.",
        )
    if len(found) > 1:
        ids = ", ".join(device["gpu_id"] for device in found)
        raise SettingsInvalid(
            f"{len(found)} devices are called '{wanted[:100]}'.", fix=f"Give the id of one: {ids}."
        )
    return str(found[0]["gpu_id"])


def set_maintenance(device_id: str, *, on: bool, reason: str) -> None:
    if gateway := elsewhere():
        address = f"/api/v1/admin/gpus/{quote(device_id, safe='')}/maintenance"
        gateway.ask("PUT", address, {"on": on, "reason": reason})
        return
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        registry.device_orders.set_maintenance(device_id, on=on, reason=reason, by="command line")


def clear_faults(device_id: str) -> None:
    if gateway := elsewhere():
        gateway.ask("POST", f"/api/v1/admin/gpus/{quote(device_id, safe='')}/clear")
        return
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        worker = registry.fleet.worker(device_id)
        errors = worker.device.ecc_errors if worker else 0
        registry.device_orders.clear(device_id, ecc_errors=errors, by="command line")


def _alias(wanted: str) -> str:
    """An index alone is that of a GPU; several machines may each have a gpu-0."""
    return f"gpu-{wanted}" if wanted.isdecimal() else wanted
