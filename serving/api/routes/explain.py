"""GET /api/v1/route/explain: which worker a request would go to now, and why."""

from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.routing.policy.request import DEFAULT_PRIORITY, RoutedRequest
from modelyard.serving.wire.admin.explained import ExplanationShape

router = APIRouter(prefix="/api/v1/route", tags=["routing"])

Tokens = Annotated[int, Query(ge=1, le=10_000_000)]
Priority = Annotated[int, Query(ge=1, le=5)]


@router.get("/explain")
async def explain_route(  # noqa: PLR0913, PLR0917  one for each query parameter
    services: TheServices,
    caller: TheCaller,
    model: str,
    prompt_tokens: Tokens = 100,
    output_tokens: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    priority: Priority = DEFAULT_PRIORITY,
) -> ExplanationShape:
    """Every worker with its terms in seconds; nothing is reserved. `output_tokens` 0: no limit."""
    meant = await services.gateway.versions.find((model, caller))
    quota = await services.gateway.gate.quota(caller.user_id)
    gpus = quota.in_force().gpu_limit
    work = RoutedRequest(
        "explain", caller.user_id, priority, prompt_tokens, output_tokens, (), gpus
    )
    told = await services.gateway.router.explain(meant.version, work)
    return ExplanationShape.model_validate(told)
