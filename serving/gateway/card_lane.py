"""Searches of cards beside the requests: one at a time, and few that wait."""

import asyncio
from dataclasses import dataclass, field

from modelyard.registry.identity.caller import Caller
from modelyard.serving.errors import TooManySearches
from modelyard.serving.gateway.card_search import CardSearch, FoundCards

MOST_WAITING = 8


@dataclass(slots=True)
class CardLane:
    """A search may start an engine for its length, and only one process has the index open."""

    search: CardSearch
    most: int = MOST_WAITING
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def find(self, text: str, limit: int, caller: Caller) -> FoundCards:
        """What the caller may see of what fits; raises TooManySearches."""
        if self._waiting >= self.most:
            raise TooManySearches("Many others search the cards.", fix="Try again in a moment.")
        self._waiting += 1
        try:
            async with self._alone:
                return await asyncio.to_thread(self.search.find, text, limit, caller)
        finally:
            self._waiting -= 1
