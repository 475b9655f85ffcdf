"""GET /api/v1/route/explain: where a request would go now, and why nowhere else."""

from typing import Annotated

from fastapi import APIRouter, Query

from serving.api.parts import TheCaller, TheParts
from serving.routing.work import DEFAULT_PRIORITY, Work
from serving.wire.explained import ExplanationShape

router = APIRouter(prefix="/api/v1/route", tags=["routing"])

Tokens = Annotated[int, Query(ge=1, le=10_000_000)]
Priority = Annotated[int, Query(ge=1, le=5)]


@router.get("/explain")
async def explain_route(  # noqa: PLR0913, PLR0917  its parameters are the query's
    parts: TheParts,
    caller: TheCaller,
    model: str,
    prompt_tokens: Tokens = 100,
    output_tokens: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    priority: Priority = DEFAULT_PRIORITY,
) -> ExplanationShape:
    """Every worker with its terms in seconds; nothing is reserved. `output_tokens` 0: no limit."""
    version = await parts.gateway.versions.find((model, caller))
    quota = await parts.gateway.gate.quota(caller.user_id)
    gpus = quota.in_force().gpu_limit
    work = Work("explain", caller.user_id, priority, prompt_tokens, output_tokens, (), gpus)
    told = await parts.gateway.router.explain(version, work)
    return ExplanationShape.model_validate(told)
