"""POST to a model, for every kind of model, without FastAPI for speed."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger
from modelyard.registry.web.origins import Pages
from modelyard.serving.api.disconnect import DisconnectWatcher, Soon
from modelyard.serving.api.inference.exchange import Exchange
from modelyard.serving.api.middleware.authentication import refuse_foreign
from modelyard.serving.api.middleware.request_id import begun
from modelyard.serving.api.problems import database_away, refusal, unexpected
from modelyard.serving.api.services import services_at
from modelyard.serving.engines.endpoints import ENDPOINTS
from modelyard.serving.gateway.request import CLIENT_GONE, GatewayRequest
from modelyard.serving.observability.request_record import RequestRecord, RequestStats
from modelyard.serving.wire.priority import read_priority

PATHS = frozenset(ENDPOINTS)
_log = logger("modelyard.gateway")


@dataclass(frozen=True, slots=True)
class InferenceEndpoint:
    """A plain ASGI app that creates neither a task nor a Request.

    It does itself what middleware does for other routes: request id, authentication, body limit
    and record.
    """

    state: State
    counted: RequestStats
    pages: Pages
    soon: Soon = field(default_factory=Soon)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given: dict[bytes, bytes] = dict(scope["headers"])
        record = begun(given.get(b"x-request-id", b""), scope["path"])
        watcher = DisconnectWatcher(receive, self.soon)
        exchange = Exchange(record.request_id, scope, receive, send, watcher=watcher)
        self.counted.active += 1
        try:
            explain = asks_why(scope["query_string"])
            refused = await self._refused(given, record, exchange, explain=explain)
            if refused is not None:
                await _refuse(record, refused, exchange, scope)
        finally:
            exchange.watcher.stop()
            self.counted.active -= 1
            self.counted.record(record)
            if not record.is_booked:
                services_at(self.state).unbooked.add(record)

    async def _refused(
        self, given: dict[bytes, bytes], record: RequestRecord, exchange: Exchange, *, explain: bool
    ) -> Response | None:
        """Answer the request; returns the error response if it failed, else None."""
        try:
            await self._answer(given, record, exchange, explain=explain)
        except ModelyardError as error:
            return refusal(record.route, error)
        except OperationalError:
            return refusal(record.route, database_away())
        except ClientDisconnect:
            record.status = CLIENT_GONE
        except asyncio.CancelledError:
            record.status = CLIENT_GONE
            exchange.watcher.swallow()
        except Exception:  # noqa: BLE001  whatever it is, it is logged and the client is told
            _log.exception("a request broke", request_id=record.request_id)
            return refusal(record.route, unexpected())
        return None

    async def _answer(
        self, given: dict[bytes, bytes], record: RequestRecord, exchange: Exchange, *, explain: bool
    ) -> None:
        origin = given.get(b"origin")
        if origin is not None:
            refuse_foreign(self.pages, origin, given.get(b"host", b""))
        services = services_at(self.state)
        credential = given.get(b"authorization", b"").decode("latin-1")
        known = services.authenticator.known(credential)
        caller = known or await services.authenticator.caller(credential)
        record.user_id = caller.user_id
        body = await exchange.body(given.get(b"content-length", b""))
        exchange.watcher.watch()
        priority = read_priority(given.get(b"x-modelyard-priority"))
        request = GatewayRequest(caller, body, record, explain=explain, priority=priority)
        await services.gateway.answer(request, exchange)


def asks_why(query: bytes) -> bool:
    """Whether a query asks for the routing decision with `explain=true`."""
    return bool(query) and b"explain=true" in query.split(b"&")


async def _refuse(
    record: RequestRecord, response: Response, exchange: Exchange, scope: Scope
) -> None:
    exchange.watcher.stop()
    record.status = response.status_code
    if exchange.began:
        return
    response.headers["X-Request-Id"] = record.request_id
    await response(scope, exchange.receive, exchange.post)
