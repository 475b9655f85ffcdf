"""GET /health, /health/live, /health/ready and /metrics: open, and without anything secret."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import OperationalError

from serving.api.parts import TheParts

router = APIRouter(tags=["health"])


@router.get("/health")
@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers; /health is where clients of vLLM and llama.cpp ask."""
    return {"status": "live"}


@router.get("/health/ready")
async def ready(parts: TheParts) -> JSONResponse:
    """200 where the database answers and a worker lives; else 503 with the reasons."""
    reasons: list[str] = []
    try:
        if not (await parts.census.now()).workers:
            reasons.append("no worker is running: start one with `modelyard worker`")
    except OperationalError:
        reasons.append("the database does not answer")
    body: dict[str, Any] = {"status": "unready" if reasons else "ready", "reasons": reasons}
    return JSONResponse(body, 503 if reasons else 200)


@router.get("/metrics")
async def metrics(parts: TheParts) -> Response:
    """Everything measured, as Prometheus reads it."""
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE_LATEST)
