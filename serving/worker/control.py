"""The worker's HTTP API: load a version, unload it, report state."""

from dataclasses import asdict, dataclass, field

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.proof import asking_token, proof
from modelyard.serving.engines.process.guard import InternalGuard
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.errors import status_of
from modelyard.serving.worker.residency.residency import Residency
from modelyard.serving.worker.scraping import CONTENT_TYPE, scrape

METRICS = "/metrics"
HEALTH = "/health"
MOST_NONCE = 64
PROBLEM = "application/problem+json"


class _Keep(msgspec.Struct, frozen=True):
    """The ids of the versions to keep warm."""

    version_ids: list[str]


_read_keep = msgspec.json.Decoder(_Keep).decode


@dataclass(frozen=True, slots=True)
class Control:
    """The routes of one worker; all need the internal token.

    `/metrics` and `/health` also take a token that is good for nothing else.
    """

    residency: Residency
    token: str = field(repr=False)
    metrics_token: str = field(repr=False)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/engines/{version_id}", self.load, methods=["POST"]),
                Route("/engines/{version_id}", self.unload, methods=["DELETE"]),
                Route("/keep", self.keep, methods=["PUT"]),
                Route("/state", self.state),
                Route(HEALTH, self.health),
                Route(METRICS, self.metrics),
            ],
            middleware=[
                Middleware(
                    InternalGuard,
                    token=self.token,
                    also={METRICS: self.metrics_token, HEALTH: asking_token(self.token)},
                )
            ],
            exception_handlers={ModelyardError: _problem},
        )

    async def load(self, request: Request) -> Response:
        """Load a version; answers once it is ready for requests, or with the error.

        The version that the query parameter `beside` names is not evicted for it.
        """
        beside = request.query_params.get("beside", "")
        resident = await self.residency.ensure(request.path_params["version_id"], beside)
        process = await resident.ready()
        return JSONResponse(
            {
                "version_id": resident.config.version_id,
                "model": resident.name,
                "pid": process.pid,
                **asdict(process.ready),
            }
        )

    async def unload(self, request: Request) -> Response:
        await self.residency.unload(request.path_params["version_id"])
        return Response(status_code=204)

    async def keep(self, request: Request) -> Response:
        """Set which loaded versions are evicted last; replaces the previous list."""
        try:
            told = _read_keep(await request.body())
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"The body is wrong: {error}.") from None
        self.residency.keep(told.version_ids)
        return Response(status_code=204)

    async def state(self, request: Request) -> Response:
        engines = [asdict(view) for view in self.residency.views()]
        return JSONResponse(
            {"device": self.residency.telemetry.facts.as_json(), "engines": engines}
        )

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics; a token of their own keeps Prometheus from loading and unloading."""
        return Response(await scrape(self.residency), media_type=CONTENT_TYPE)

    async def health(self, request: Request) -> Response:
        """That it answers, with the proof of its secret for the query's `nonce`."""
        nonce = request.query_params.get("nonce", "")[:MOST_NONCE]
        return JSONResponse({"status": "ready", "proof": proof(self.token, nonce)})


async def _problem(_request: Request, error: Exception) -> Response:
    """An RFC 9457 problem with the error's stable `code`, `kind` and `fix`."""
    assert isinstance(error, ModelyardError)  # noqa: S101  registered for this class only
    status = status_of(error)
    problem = {
        "type": "about:blank",
        "title": type(error).__name__,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "kind": error.kind,
        "fix": error.fix,
    }
    return JSONResponse(problem, status, media_type=PROBLEM)
