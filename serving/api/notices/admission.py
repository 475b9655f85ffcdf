"""Reads what a listener asks for in its address, and takes its ticket."""

import asyncio
from dataclasses import dataclass, replace

from modelyard.registry.errors import NotPermitted
from modelyard.registry.notices.notice import Topic
from modelyard.registry.notices.tickets import NoticeTicket, NoticeTickets
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.notices.errors import ticket_refused
from modelyard.serving.wire.admin.notices import ListenQuery

MOST_ID = 2**63 - 1
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A ticket that was taken, and the id after which its listener goes on; None: from now on."""

    ticket: NoticeTicket
    after: int | None


async def admit(
    tickets: NoticeTickets, query: ListenQuery, last_event_id: str = ""
) -> ListenRequest:
    """Take the ticket; raises InvalidRequest, NotAuthenticated or NotPermitted.

    The address is checked first, so that a mistake in it costs no ticket.
    """
    topics = _topics(query.topics)
    after = _after("after", query.after) if query.after else None
    if after is None and last_event_id:
        after = _after("Last-Event-ID", last_event_id)
    text = query.ticket
    if not 0 < len(text) <= _LONGEST:
        raise ticket_refused()
    ticket = await asyncio.to_thread(tickets.redeem, text)
    if ticket is None:
        raise ticket_refused()
    if missing := topics - ticket.topics:
        raise NotPermitted(
            f"The ticket is not for {', '.join(sorted(missing))}.",
            fix="Name these topics when you ask for a ticket.",
        )
    return ListenRequest(replace(ticket, topics=topics or ticket.topics), after)


def _topics(given: str) -> frozenset[Topic]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in {*Topic}]
    if unknown:
        raise InvalidRequest(
            f"There is no topic '{unknown[0][:50]}'.",
            param="topics",
            fix=f"Topics are {', '.join(Topic)}.",
        )
    return frozenset(map(Topic, names))


def _after(name: str, given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= MOST_ID):
        raise InvalidRequest(
            f"{name} is a notice's id, a whole number: '{given[:50]}' is none.", param=name
        )
    return int(given)
