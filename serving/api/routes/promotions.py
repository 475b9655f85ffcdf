"""POST /api/v1/admin/promotions: moves an alias once the new version answers."""

import asyncio
import time

from fastapi import APIRouter, Depends

from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import Services, TheServices
from modelyard.serving.routing.fleet.promoter import PromotionRequest, PromotionResult
from modelyard.serving.wire.admin.promotion import NewPromotion, PromotionReply

router = APIRouter(prefix="/api/v1/admin", tags=["models"])
_ADMIN = admin_or("Only an admin may promote a version.")
_log = logger("modelyard.promotion")


@router.post("/promotions", dependencies=[Depends(_ADMIN)])
async def promote(wanted: NewPromotion, services: TheServices) -> PromotionReply:
    """Have a version loaded beside the one of now, and move the alias when it answers."""
    ref = ModelRef.parse_promoted(wanted.model)
    version = await asyncio.to_thread(services.queries.catalog.find, ref)
    wait_s = wanted.wait_s or services.promotion_wait_s
    request = PromotionRequest(
        version, wanted.alias, wait_s if wanted.wait else 0.0, force=wanted.force
    )
    result = await _counted(services, request)
    return PromotionReply(
        model=result.version.model,
        number=result.version.number,
        alias=result.alias,
        outcome=result.outcome,
        message=result.message,
        devices=list(result.devices),
        seconds=result.seconds,
    )


async def _counted(services: Services, request: PromotionRequest) -> PromotionResult:
    """Promote, and count the outcome; a failure counts under its error code."""
    begun = time.monotonic()
    outcome = "interrupted"

    def tell(progress: str) -> None:
        _log.info("promotion", version=request.version.ref, alias=request.alias, progress=progress)

    try:
        result = await services.promoter.promote(request, tell)
        outcome = result.outcome.value
    except ModelyardError as error:
        outcome = error.code
        raise
    finally:
        services.metrics.promotions.record(outcome, time.monotonic() - begun)
    return result
