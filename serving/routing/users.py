"""Each user's part of the fleet: on how many devices, of how many places, and whose turn it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from serving.routing.cost import NOWHERE
from serving.routing.fleet_state import Lane, Ticket
from serving.routing.work import Work

ACTIVE_S = 300.0
"""Who has asked within so many seconds is one of those that places are kept free for."""

HALF_LIFE_S = 60.0
"""A place that a user has had counts on, half after so many seconds: turns come round."""

KEPT = 8
"""One of so many places is kept from whoever has all the others, as soon as there are half so many.

So nobody who asks now and then waits until a long answer of somebody else has ended.
"""


class User:
    """What one user has: requests held here, and sent, in all and by lane; and when it last asked.

    `devices` counts both, only for those whose devices are limited.
    """

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.held = 0
        self.sent = 0
        self.lanes: dict[Lane, int] = {}
        self.devices: dict[int, int] = {}
        self._past = self._past_at = 0.0

    def has(self, now: float) -> float:
        """Places that it has, and what fades of those that it had."""
        return self.sent + self._past * 0.5 ** ((now - self._past_at) / HALF_LIFE_S)

    def had(self, lasted_s: float, now: float) -> None:
        """It has given back a place that it had for so long."""
        faded = self.has(now) - self.sent
        self._past = faded + 1 - 0.5 ** (lasted_s / HALF_LIFE_S)
        self._past_at = now


@dataclass(slots=True)
class Users:
    """Those at work and those who have asked lately, the latest last.

    `waiting` is of how many of them something is held: with more than one, whoever has least
    begins next.
    """

    waiting: int = 0
    _known: dict[str, User] = field(default_factory=dict[str, User])

    def __len__(self) -> int:
        return len(self._known)

    # Devices

    def bound(self, work: Work) -> frozenset[int] | None:
        """The devices that the user's work is bound to now; None: any."""
        user = self._known.get(work.user_id)
        if not work.gpu_limit or user is None or len(user.devices) < work.gpu_limit:
            return None
        return frozenset(user.devices)

    def may_have(self, work: Work, device: int) -> bool:
        bound = self.bound(work)
        return bound is None or device in bound

    def took(self, work: Work, device: int) -> None:
        if work.gpu_limit:
            devices = self._of(work).devices
            devices[device] = devices.get(device, 0) + 1

    def left(self, work: Work, device: int) -> None:
        devices = self._of(work).devices
        if not work.gpu_limit or device not in devices:
            return
        devices[device] -= 1
        if not devices[device]:
            del devices[device]

    # Places

    def asked(self, work: Work, now: float) -> None:
        """A user is there."""
        user = self._known.pop(work.user_id, None)
        if user is None:
            user = User()
        user.asked_at = now
        self._known[work.user_id] = user

    def waits(self, work: Work) -> None:
        """One request is held."""
        user = self._of(work)
        user.held += 1
        self.waiting += user.held == 1

    def goes_on(self, work: Work) -> None:
        """It is held no longer."""
        user = self._of(work)
        user.held -= 1
        self.waiting -= not user.held

    def began(self, work: Work, lane: Lane) -> None:
        """One request is sent."""
        user = self._of(work)
        user.sent += 1
        user.lanes[lane] = user.lanes.get(lane, 0) + 1

    def ended(self, ticket: Ticket, lane: Lane, now: float) -> None:
        """What was sent is over, answered or not."""
        user = self._of(ticket.work)
        user.had(now - ticket.sent_at, now)
        user.sent -= 1
        user.lanes[lane] -= 1
        if not user.lanes[lane]:
            del user.lanes[lane]

    def shut(self, work: Work, now: float) -> frozenset[Lane]:
        """Where the user has as many places as one may have while others ask."""
        user = self._known.get(work.user_id)
        if user is None or not user.lanes or not self._others_ask(work.user_id, now):
            return NOWHERE
        return frozenset([lane for lane, sent in user.lanes.items() if sent >= most_of_one(lane)])

    def may_begin(self, work: Work, lane: Lane, now: float) -> bool:
        """Whether a place is free for this user."""
        if not lane.is_open:
            return False
        sent = self._of(work).lanes.get(lane, 0)
        return sent < most_of_one(lane) or not self._others_ask(work.user_id, now)

    # Turns

    def turn(self, ticket: Ticket, now: float) -> tuple[float, float]:
        """Of what is held the least begins first: by what its user has, weighed, then by rank."""
        if self.waiting <= 1:
            return 0.0, ticket.rank
        return self._of(ticket.work).has(now) / ticket.work.priority, ticket.rank

    def first(self, held: Sequence[Ticket], now: float) -> Ticket | None:
        """Of what a worker holds, in the order of ranks, what it may begin next."""
        may = (t for t in held if t.lane is not None and self.may_begin(t.work, t.lane, now))
        if self.waiting <= 1:
            return next(may, None)
        return min(may, key=lambda ticket: self.turn(ticket, now), default=None)

    def front(self, held: Sequence[Ticket], count: int, now: float) -> Sequence[Ticket]:
        """The first of what a worker holds, as they will begin."""
        if self.waiting <= 1:
            return held[:count]
        return nsmallest(count, held, key=lambda ticket: self.turn(ticket, now))

    def prune(self, now: float) -> None:
        """Forget those who have nothing and have not asked lately."""
        for user_id, user in [*self._known.items()]:
            if now - user.asked_at <= ACTIVE_S:
                return
            if not (user.held or user.sent or user.devices):
                del self._known[user_id]

    def _of(self, work: Work) -> User:
        user = self._known.get(work.user_id)
        if user is None:
            user = self._known[work.user_id] = User()
        return user

    def _others_ask(self, user_id: str, now: float) -> bool:
        """Whether another user has asked lately."""
        for other in reversed(self._known):
            if other != user_id:
                return now - self._known[other].asked_at <= ACTIVE_S
        return False


def most_of_one(lane: Lane) -> int:
    """How many places of a lane one user may have while others ask."""
    places = lane.places
    return places - (places + KEPT // 2) // KEPT
