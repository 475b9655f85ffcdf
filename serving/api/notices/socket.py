"""WebSocket /api/v1/notices: notices as JSON messages."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import OperationalError

from modelyard.registry.errors import ModelyardError
from modelyard.serving.api.notices.admission import admit
from modelyard.serving.api.problems import database_away, refusal
from modelyard.serving.api.services import services_in
from modelyard.serving.notices.joining import listen
from modelyard.serving.notices.services import NoticeServices
from modelyard.serving.notices.subscription import Subscription, SubscriptionEnd
from modelyard.serving.wire.admin.notices import ListenQuery

PATH = "/api/v1/notices"

router = APIRouter(tags=["notices"])


@router.websocket(PATH)
async def listen_to_notices(socket: WebSocket) -> None:
    """Notices as they come; what the client sends is not read."""
    notices = services_in(socket.app).notices
    try:
        asked = await admit(notices.tickets, ListenQuery.model_validate(dict(socket.query_params)))
        async with notices.bus.subscribed(asked.ticket, asked.after) as place:
            await socket.accept()
            await _serve(socket, notices, place)
    except ModelyardError as error:
        await socket.send_denial_response(refusal(PATH, error))
    except OperationalError:
        await socket.send_denial_response(refusal(PATH, database_away()))


async def _serve(socket: WebSocket, notices: NoticeServices, place: Subscription) -> None:
    stats = notices.bus.stats
    stats.connections["websocket"] += 1
    leaving = asyncio.create_task(_until_it_leaves(socket, place))
    try:
        async for news in listen(notices.bus.book, place, notices.heartbeat_s):
            for one in news:
                await socket.send_text(one.text)
            stats.sent += len(news)
        ending = place.ending or SubscriptionEnd.LEFT
        if ending is not SubscriptionEnd.LEFT:
            await socket.close(ending.value, ending.name.lower())
    except WebSocketDisconnect:
        pass
    finally:
        stats.connections["websocket"] -= 1
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def _until_it_leaves(socket: WebSocket, place: Subscription) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    place.end(SubscriptionEnd.LEFT)
