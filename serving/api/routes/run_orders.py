"""Admins' orders that the flows' process carries out: ingests, removals, cancellations, retries.

Each is answered with 202 once it is written down; GET /api/v1/admin/orders tells how it goes.
"""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import RunEnded, StillInUse
from modelyard.registry.identity.caller import Caller
from modelyard.registry.runs.orders import OrderKind
from modelyard.registry.runs.runs import RunView
from modelyard.registry.runs.state import RunState
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import Services, TheServices
from modelyard.serving.wire.admin.run_orders import NewIngest, NewRemoval, RunOrderReply

router = APIRouter(prefix="/api/v1", tags=["runs"])

TheAdmin = Annotated[
    Caller, Depends(admin_or("Only an admin may add and remove models, cancel and repeat runs."))
]


@router.post("/admin/ingests", status_code=202)
async def add_model(asked: NewIngest, services: TheServices, admin: TheAdmin) -> RunOrderReply:
    """Bring a model from the Hub; the same once more while its run goes on is the same run."""
    owner_id = await asyncio.to_thread(_owner, asked, services, admin)
    told = asked.model_dump(exclude={"owner"}) | {"owner_id": owner_id}
    subject = " ".join([f"{asked.repo}@{asked.revision}", *filter(None, [asked.file])])
    return await _placed(services, OrderKind.INGEST, subject, told, by=admin.name)


@router.post("/admin/removals", status_code=202)
async def remove_model(asked: NewRemoval, services: TheServices, admin: TheAdmin) -> RunOrderReply:
    """Forget a version, an adapter or a whole model everywhere, and let the files go."""
    await asyncio.to_thread(_check_removable, asked, services)
    told = {"model": asked.model, "force": asked.force}
    return await _placed(services, OrderKind.REMOVE, asked.model, told, by=admin.name)


@router.post("/runs/{run_id}/cancel", status_code=202)
async def cancel_run(run_id: str, services: TheServices, admin: TheAdmin) -> RunOrderReply:
    """End a run that goes on; what it downloaded is cleared away."""
    run = await asyncio.to_thread(services.runs.named, run_id)
    if run.state is not RunState.RUNNING:
        raise RunEnded(f"The run {run.id} has ended: {run.state}.")
    return await _about_run(services, OrderKind.CANCEL, run, admin)


@router.post("/runs/{run_id}/retry", status_code=202)
async def retry_run(run_id: str, services: TheServices, admin: TheAdmin) -> RunOrderReply:
    """Run again what failed, was cancelled or was interrupted; it continues where it was."""
    run = await asyncio.to_thread(services.runs.named, run_id)
    if run.state in {RunState.RUNNING, RunState.COMPLETED}:
        raise RunEnded(f"The run {run.id} is {run.state}: there is nothing to repeat.")
    return await _about_run(services, OrderKind.RETRY, run, admin)


@router.get("/admin/orders/{order_id}")
async def show_order(order_id: str, services: TheServices, _admin: TheAdmin) -> RunOrderReply:
    """How far an order is, and the run that came of it."""
    return RunOrderReply.of(await asyncio.to_thread(services.run_orders.get, order_id))


async def _about_run(
    services: Services, kind: OrderKind, run: RunView, admin: Caller
) -> RunOrderReply:
    if run.prefect_run_id is None:
        raise RunEnded(f"Prefect does not know the run {run.id}.", fix="End it where it runs.")
    return await _placed(services, kind, run.subject, {"run_id": run.id}, by=admin.name)


async def _placed(
    services: Services, kind: OrderKind, subject: str, told: dict[str, Any], *, by: str
) -> RunOrderReply:
    order = await asyncio.to_thread(services.run_orders.place, kind, subject, told, by)
    return RunOrderReply.of(order)


def _owner(asked: NewIngest, services: Services, admin: Caller) -> str | None:
    if asked.owner is not None:
        return services.quotas.named(asked.owner)
    return admin.user_id if asked.private else None


def _check_removable(asked: NewRemoval, services: Services) -> None:
    """Raise UnknownModel, or StillInUse without `force`; whoever removes it looks again."""
    ref = ModelRef.parse(asked.model)
    found = services.queries.catalog.find(ref)
    if asked.force or found.adapter(ref.adapter) is not None:
        return
    is_whole = ref.alias is None and ref.number is None
    every = services.queries.catalog.list() if is_whole else [found]
    ids = {version.id for version in every if version.model == ref.name}
    engines = services.queries.fleet.engines()
    if loaded := sorted({e.device_id for e in engines if e.version_id in ids}):
        raise StillInUse(
            f"{asked.model} is loaded on {', '.join(loaded)}.",
            fix="Unload it first, or remove it with `force`.",
        )
