"""A bounded set of requests that wait for a free worker, shared fairly between users."""

import asyncio
from dataclasses import dataclass, field

from modelyard.serving.errors import FleetBusy, TooBusy
from modelyard.serving.routing.policy.fleet_state import PendingRequest

MOST_WAITING = 1000
RETRY_S = 1.0

_News = asyncio.Future[None] | None


@dataclass(slots=True)
class Waiting:
    """One user may fill all places; when another arrives, the first user's newest one gives way."""

    places: int = MOST_WAITING
    _users: dict[str, dict[int, PendingRequest]] = field(
        default_factory=dict[str, dict[int, PendingRequest]]
    )
    _news: dict[int, _News] = field(default_factory=dict[int, _News])

    def __len__(self) -> int:
        return len(self._news)

    def enter(self, pending: PendingRequest) -> None:
        """Take a place; raises FleetBusy or TooBusy if none is left for this user."""
        own = self._users.get(pending.work.user_id)
        if len(self._news) >= self.places:
            self._make_room(0 if own is None else len(own))
        if own is None:
            own = self._users.setdefault(pending.work.user_id, {})
        own[id(pending)] = pending
        self._news[id(pending)] = None

    def leave(self, pending: PendingRequest) -> None:
        """Give the place back; does nothing if the request already lost it to another user."""
        own = self._users.get(pending.work.user_id)
        if own is None or own.pop(id(pending), None) is None:
            return
        if not own:
            del self._users[pending.work.user_id]
        self.wake(pending)
        del self._news[id(pending)]

    async def news(self, pending: PendingRequest, within_s: float) -> None:
        """Wait for `wake`, at most `within_s` seconds; raises TooBusy if the place was lost."""
        if id(pending) not in self._news:
            raise self._too_busy(pending.work.user_id)
        loop = asyncio.get_running_loop()
        waiter = self._news[id(pending)] = loop.create_future()
        timer = loop.call_later(within_s, _end, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def wake(self, pending: PendingRequest) -> None:
        waiter = self._news.get(id(pending))
        if waiter is not None:
            _end(waiter)

    def wake_all(self) -> None:
        for waiter in self._news.values():
            if waiter is not None:
                _end(waiter)

    def _make_room(self, own: int) -> None:
        """Evict the newest request of the user with the most, if it has two more than the asker.

        Else raises TooBusy if several users wait, FleetBusy if only one does.
        """
        most = max(self._users, key=lambda user_id: len(self._users[user_id]))
        if len(self._users[most]) > own + 1:
            self.leave(next(reversed(self._users[most].values())))
        elif len(self._users) > 1:
            raise TooBusy(
                f"{own} of your requests wait for a free worker already, and so do others'.",
                RETRY_S,
                fix="Wait until one has begun.",
            )
        else:
            raise FleetBusy(
                f"{self.places} requests wait for a free worker already.", fix="Try again later."
            )

    def _too_busy(self, user_id: str) -> TooBusy:
        left = len(self._users.get(user_id, ()))
        return TooBusy(
            f"Others wait for a free worker too: of yours only {left} may wait at this moment.",
            RETRY_S,
            fix="Try again in a moment.",
        )


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
