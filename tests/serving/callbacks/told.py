"""Events that are to be told, and how far that is."""

import asyncio
from collections import Counter
from collections.abc import Callable

from modelyard.registry.callbacks.book import CallbackBook
from modelyard.registry.callbacks.outbox import enter
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.database import Database

WITHIN_S = 120.0


def entered(db: Database, *urls: str, user_id: str = "ada") -> list[str]:
    with db.begin() as session:
        return [
            enter(
                session, user_id=user_id, subject=url[-50:], kind="request.failed", url=url, body={}
            )
            for url in urls
        ]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what others do."""
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.01)


def states(db: Database) -> Counter[CallbackState]:
    return Counter(view.state for view in CallbackBook(db).newest(None, most=1000))
