"""GET /health, /health/live and /health/ready without a credential, and /metrics with one."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import OperationalError

from modelyard.registry.errors import NotPermitted
from modelyard.registry.identity.caller import Caller, Role
from modelyard.serving.api.services import TheServices
from modelyard.serving.cache import LAST_S

METRICS = "/metrics"
router = APIRouter(tags=["health"])


@router.get("/health")
@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers; /health is where clients of vLLM and llama.cpp ask."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"content": {"application/json": {}}}})
async def ready(services: TheServices) -> JSONResponse:
    """200 where a worker takes work, else 503 with the reasons.

    Without the database it stays ready as long as it can answer from what it knew, and says so.
    """
    reasons: list[str] = []
    notes: list[str] = []
    try:
        workers = (await services.snapshots.now()).workers
        if not workers:
            reasons.append("no worker is running: start one with `modelyard worker`")
        elif not any(worker.device.takes_work for worker in workers):
            reasons += [f"{w.device_id} is in {w.device.status}" for w in workers]
        if services.snapshots.is_held:
            notes.append(f"the database does not answer: what was known holds for {LAST_S:.0f} s")
    except OperationalError:
        reasons.append("the database does not answer")
    status = "unready" if reasons else "ready"
    body: dict[str, Any] = {"status": status, "reasons": reasons + notes}
    return JSONResponse(body, 503 if reasons else 200)


@router.get(METRICS, response_class=PlainTextResponse)
async def metrics(request: Request, services: TheServices) -> Response:
    """Everything measured, for Prometheus with its token and for admins."""
    caller: Caller | None = request.state.caller
    if caller is not None and caller.role is not Role.ADMIN:
        raise NotPermitted(
            "Only admins may read the measures.",
            fix="Prometheus has a token of its own: `modelyard keys metrics`.",
        )
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
