"""All that one listener gets: where it is, what it has missed, and what comes."""

import asyncio
from collections.abc import AsyncGenerator

from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.serving.notices.delivery import CONNECTED, LAGGING, Delivery
from modelyard.serving.notices.subscription import Subscription, SubscriptionEnd

GONE = "Some notices after this id are no longer kept; these are those that are."
UNKNOWN = "There is no notice of this id yet; these are those from now on."
SLOW = "You have read too slowly; come again with this id."


async def listen(
    book: NoticeBook, place: Subscription, heartbeat_s: float
) -> AsyncGenerator[list[Delivery]]:
    """Everything for one listener in order; an empty list after `heartbeat_s` without any.

    What comes while it still gets what it missed waits in the subscription. One that falls behind
    is told so at the end.
    """
    async for missed in _first(book, place):
        place.last_id = missed[-1].id
        yield missed
    while place.ending is None:
        news = await place.next(heartbeat_s)
        if news or place.ending is None:
            yield news
    if place.ending is SubscriptionEnd.LAGGING:
        yield [Delivery.about_connection(LAGGING, place.last_id, reason=SLOW)]


async def _first(book: NoticeBook, place: Subscription) -> AsyncGenerator[list[Delivery]]:
    """Where the listener is, and what it has missed from there to where it joined."""
    begin, reason = await asyncio.to_thread(_begin, book, place)
    if reason:
        yield [Delivery.about_connection(LAGGING, begin, reason=reason)]
    else:
        yield [Delivery.about_connection(CONNECTED, begin)]
    while begin < place.joined_at and place.ending is None:
        missed = await asyncio.to_thread(
            book.missed, begin, place.joined_at, place.topics, place.caller
        )
        if not missed:
            return
        begin = missed[-1].id
        yield [Delivery.of(notice) for notice in missed]


def _begin(book: NoticeBook, place: Subscription) -> tuple[int, str]:
    """The id to go on from, and why that is not the one that was asked for; blocks."""
    after = place.after
    if after is None:
        return place.joined_at, ""
    if after <= place.joined_at:
        dropped = min(book.dropped_to(place.topics), place.joined_at)
        return (dropped, GONE) if after < dropped else (after, "")
    newest = book.last_id()  # another gateway may have told of more than this one has read
    if after <= newest:
        return after, ""
    place.known_to = newest
    return newest, UNKNOWN
