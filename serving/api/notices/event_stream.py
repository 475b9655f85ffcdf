"""GET /api/v1/notices/stream: notices as server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.serving.api.notices.admission import admit
from modelyard.serving.api.services import TheServices
from modelyard.serving.notices.joining import listen
from modelyard.serving.notices.services import NoticeServices
from modelyard.serving.notices.subscription import Subscription
from modelyard.serving.wire.admin.notices import ListenQuery

STREAM = "/api/v1/notices/stream"
_ALIVE = b": alive\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(tags=["notices"])


@router.get(STREAM, response_class=StreamingResponse)
async def stream_notices(
    asked_for: Annotated[ListenQuery, Query()],
    services: TheServices,
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """Notices as they come, each with its id; a browser's EventSource can read it."""
    notices = services.notices
    asked = await admit(notices.tickets, asked_for, last_event_id)
    async with AsyncExitStack() as stack:
        subscribed = notices.bus.subscribed(asked.ticket, asked.after)
        place = await stack.enter_async_context(subscribed)
        return NoticeStream(_events(notices, place), stack.pop_all())


class NoticeStream(StreamingResponse):
    """Events until the client leaves; `held` is given back then, however early that is."""

    def __init__(self, events: AsyncGenerator[bytes], held: AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _events(notices: NoticeServices, place: Subscription) -> AsyncGenerator[bytes]:
    stats = notices.bus.stats
    stats.connections["stream"] += 1
    try:
        async for news in listen(notices.bus.book, place, notices.heartbeat_s):
            yield b"".join(one.event for one in news) or _ALIVE
            stats.sent += len(news)
    finally:
        stats.connections["stream"] -= 1
