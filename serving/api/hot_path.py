"""POST to a model, whatever it does: past the framework, as fast as bytes come and go."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from registry.errors import ModelyardError
from registry.logs import logger
from registry.pages import Pages
from serving.api.door import refuse_foreign
from serving.api.exchange import Exchange
from serving.api.leaving import Leaving, Soon
from serving.api.observe import begun
from serving.api.parts import parts_at
from serving.api.problems import database_away, refusal, unexpected
from serving.engines.offer import ENDPOINTS
from serving.gateway import CLIENT_GONE, Ask
from serving.trail import Counted, Trail
from serving.wire.priority import read_priority

PATHS = frozenset(ENDPOINTS)
_log = logger("modelyard.gateway")


@dataclass(frozen=True, slots=True)
class HotPath:
    """Plain ASGI, with no task and no Request of its own.

    It does itself what middleware does for other routes: id, door, bound of the body, trail.
    """

    state: State
    counted: Counted
    pages: Pages
    soon: Soon = field(default_factory=Soon)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given: dict[bytes, bytes] = dict(scope["headers"])
        trail = begun(given.get(b"x-request-id", b""), scope["path"])
        leaving = Leaving(receive, self.soon)
        exchange = Exchange(trail.request_id, scope, receive, send, leaving)
        self.counted.active += 1
        try:
            explain = asks_why(scope["query_string"])
            refused = await self._refused(given, trail, exchange, explain=explain)
            if refused is not None:
                await _refuse(trail, refused, exchange, scope)
        finally:
            exchange.leaving.stop()
            self.counted.active -= 1
            self.counted.record(trail)

    async def _refused(
        self, given: dict[bytes, bytes], trail: Trail, exchange: Exchange, *, explain: bool
    ) -> Response | None:
        """Answer, and return what is to be said where that could not be."""
        try:
            await self._answer(given, trail, exchange, explain=explain)
        except ModelyardError as error:
            return refusal(trail.route, error)
        except OperationalError:
            return refusal(trail.route, database_away())
        except ClientDisconnect:
            trail.status = CLIENT_GONE
        except asyncio.CancelledError:
            trail.status = CLIENT_GONE
            exchange.leaving.swallow()
        except Exception:  # noqa: BLE001  whatever it is, it is logged and the client is told
            _log.exception("a request broke", request_id=trail.request_id)
            return refusal(trail.route, unexpected())
        return None

    async def _answer(
        self, given: dict[bytes, bytes], trail: Trail, exchange: Exchange, *, explain: bool
    ) -> None:
        origin = given.get(b"origin")
        if origin is not None:
            refuse_foreign(self.pages, origin, given.get(b"host", b""))
        parts = parts_at(self.state)
        credential = given.get(b"authorization", b"").decode("latin-1")
        known = parts.authenticator.known(credential)
        caller = known or await parts.authenticator.caller(credential)
        body = await exchange.body(given.get(b"content-length", b""))
        exchange.leaving.watch()
        priority = read_priority(given.get(b"x-modelyard-priority"))
        ask = Ask(caller, body, trail, explain=explain, priority=priority)
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
