"""POST /api/v1/notices/tickets: what lets one listener in, once."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header

from modelyard.registry.notices.notice import Topic
from modelyard.registry.notices.tickets import NoticeTicket
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.notices import NewNoticeTicket, NoticeTicketReply

router = APIRouter(prefix="/api/v1/notices", tags=["notices"])


@router.post("/tickets", status_code=201)
async def create_ticket(
    asked: NewNoticeTicket,
    services: TheServices,
    caller: TheCaller,
    authorization: Annotated[str, Header(include_in_schema=False)],
) -> NoticeTicketReply:
    """Make a ticket for one WebSocket or event stream; it is good once, within seconds."""
    notices = services.notices
    credential = authorization.partition(" ")[2].strip()
    topics = frozenset(asked.topics) or frozenset(Topic)
    ticket = NoticeTicket(notices.grants.of(caller.user_id, credential), topics)
    text = await asyncio.to_thread(notices.tickets.issue, ticket)
    life_s = int(notices.tickets.life.total_seconds())
    return NoticeTicketReply(ticket=text, topics=sorted(topics), expires_in=life_s)
