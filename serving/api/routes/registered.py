"""GET /api/v1/models and /api/v1/runs."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.registered import (
    LifecycleRun,
    LifecycleRuns,
    RegisteredModel,
    RegisteredModels,
)

router = APIRouter(prefix="/api/v1", tags=["models"])


@router.get("/models")
async def list_models(services: TheServices, caller: TheCaller) -> RegisteredModels:
    """Every model the caller may see, with its versions and where they are loaded."""
    versions = await services.queries.versions(caller)
    engines = (await services.snapshots.now()).engines
    replaced = await asyncio.to_thread(services.promotions.replaced)
    return RegisteredModels(models=RegisteredModel.all_of(versions, engines, replaced))


@router.get("/runs")
async def list_runs(
    services: TheServices,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> LifecycleRuns:
    """The latest lifecycle runs that the caller may see, with their progress."""
    runs = await asyncio.to_thread(services.runs.list, limit, caller)
    return LifecycleRuns(runs=[LifecycleRun.model_validate(asdict(run)) for run in runs])
