"""POST to a model, whatever it does: past the framework, as fast as bytes come and go."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from registry.errors import ModelyardError
from serving.api.exchange import Exchange
from serving.api.leaving import Leaving, Soon
from serving.api.observe import request_id
from serving.api.parts import parts_at
from serving.api.problems import database_away, refusal, unexpected
from serving.engines.offer import ENDPOINTS
from serving.gateway import CLIENT_GONE, Ask
from serving.metrics import UNKNOWN, Metrics, Trail
from serving.wire.priority import read_priority

PATHS = frozenset(ENDPOINTS)


@dataclass(frozen=True, slots=True)
class HotPath:
    """Plain ASGI, with no task and no Request of its own.

    It does itself what middleware does for other routes: id, door, bound of the body, trail.
    """

    state: State
    metrics: Metrics
    soon: Soon = field(default_factory=Soon)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given: dict[bytes, bytes] = dict(scope["headers"])
        trail = Trail(request_id(given.get(b"x-request-id", b"")), route=scope["path"])
        exchange = Exchange(trail.request_id, receive, send, Leaving(receive, self.soon))
        self.metrics.active += 1
        try:
            await self._answer(given, trail, exchange, explain=asks_why(scope["query_string"]))
        except ModelyardError as error:
            await _refuse(trail, refusal(trail.route, error), exchange, scope)
        except OperationalError:
            await _refuse(trail, refusal(trail.route, database_away()), exchange, scope)
        except ClientDisconnect:
            trail.status = CLIENT_GONE
        except asyncio.CancelledError:
            exchange.leaving.swallow()
            trail.status = CLIENT_GONE
        finally:
            if trail.status == UNKNOWN:  # uvicorn logs what comes through here
                await _refuse(trail, refusal(trail.route, unexpected()), exchange, scope)
            exchange.leaving.stop()
            self.metrics.active -= 1
            self.metrics.record(trail)

    async def _answer(
        self, given: dict[bytes, bytes], trail: Trail, exchange: Exchange, *, explain: bool
    ) -> None:
        parts = parts_at(self.state)
        credential = given.get(b"authorization", b"").decode("latin-1")
        known = parts.authenticator.known(credential)
        caller = known or await parts.authenticator.caller(credential)
        body = await exchange.body(given.get(b"content-length", b""))
        exchange.leaving.watch()
        priority = read_priority(given.get(b"x-modelyard-priority"))
        ask = Ask(caller, trail.route, body, trail, explain, priority)
        await parts.gateway.answer(ask, exchange)


def asks_why(query: bytes) -> bool:
    """Whether a query asks for the decision: `explain=true`."""
    return bool(query) and b"explain=true" in query.split(b"&")


async def _refuse(trail: Trail, response: Response, exchange: Exchange, scope: Scope) -> None:
    exchange.leaving.stop()
    trail.status = response.status_code
    if exchange.began:
        return
    response.headers["X-Request-Id"] = trail.request_id
    await response(scope, exchange.receive, exchange.post)
