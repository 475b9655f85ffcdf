"""Fair share per user: device limits, slot limits, and whose request starts next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import NOWHERE
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest

ACTIVE_S = 300.0
"""A user is active for this many seconds after a request: slots are kept free for it."""

HALF_LIFE_S = 60.0
"""Seconds in which the weight of a user's past slot use halves in deciding whose turn it is."""

KEPT = 8
"""One slot in this many is kept from a user who has all the others, if there are at least half so
many slots: an occasional user does not wait for another user's long answer to end.
"""


class UserLoad:
    """One user's load: requests held here, requests sent (also per replica), last request time.

    `devices` counts held and sent requests per device, only for users with a device limit.
    """

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.held = 0
        self.sent = 0
        self.replicas: dict[Replica, int] = {}
        self.devices: dict[int, int] = {}
        self._past = self._past_at = 0.0

    def has(self, now: float) -> float:
        """Slots in use, plus the decaying count of slots used before."""
        return self.sent + self._past * 0.5 ** ((now - self._past_at) / HALF_LIFE_S)

    def had(self, lasted_s: float, now: float) -> None:
        """Record that the user released a slot it had used for `lasted_s` seconds."""
        faded = self.has(now) - self.sent
        self._past = faded + 1 - 0.5 ** (lasted_s / HALF_LIFE_S)
        self._past_at = now


@dataclass(slots=True)
class Users:
    """Users with work or recent requests, the most recent last.

    `waiting` is the number of users with held requests; if it is above one, the user with the
    least weighted usage goes next.
    """

    waiting: int = 0
    _known: dict[str, UserLoad] = field(default_factory=dict[str, UserLoad])

    def __len__(self) -> int:
        return len(self._known)

    # Devices

    def bound(self, work: RoutedRequest) -> frozenset[int] | None:
        """The devices that the user's work is limited to now; None means any."""
        user = self._known.get(work.user_id)
        if not work.gpu_limit or user is None or len(user.devices) < work.gpu_limit:
            return None
        return frozenset(user.devices)

    def allowed(self, pending: PendingRequest, cluster: ClusterState) -> list[Replica] | None:
        """The version's replicas on the devices the user is limited to; None means no limit."""
        bound = self.bound(pending.work)
        if bound is None:
            return None
        replicas = cluster.replicas.get(pending.version, ())
        return [replica for replica in replicas if replica.worker.index in bound]

    def may_have(self, work: RoutedRequest, device: int) -> bool:
        bound = self.bound(work)
        return bound is None or device in bound

    def took(self, work: RoutedRequest, device: int) -> None:
        if work.gpu_limit:
            devices = self._of(work).devices
            devices[device] = devices.get(device, 0) + 1

    def left(self, work: RoutedRequest, device: int) -> None:
        devices = self._of(work).devices
        if not work.gpu_limit or device not in devices:
            return
        devices[device] -= 1
        if not devices[device]:
            del devices[device]

    # Places

    def asked(self, work: RoutedRequest, now: float) -> None:
        """Record a user's request."""
        user = self._known.pop(work.user_id, None)
        if user is None:
            user = UserLoad()
        user.asked_at = now
        self._known[work.user_id] = user

    def waits(self, work: RoutedRequest) -> None:
        """Record that one of the user's requests is held."""
        user = self._of(work)
        user.held += 1
        self.waiting += user.held == 1

    def goes_on(self, work: RoutedRequest) -> None:
        """Record that one of the user's requests is no longer held."""
        user = self._of(work)
        user.held -= 1
        self.waiting -= not user.held

    def began(self, work: RoutedRequest, replica: Replica) -> None:
        """Record that one of the user's requests is sent."""
        user = self._of(work)
        user.sent += 1
        user.replicas[replica] = user.replicas.get(replica, 0) + 1

    def ended(self, pending: PendingRequest, replica: Replica, now: float) -> None:
        """Record that a sent request ended, answered or not."""
        user = self._of(pending.work)
        user.had(now - pending.sent_at, now)
        user.sent -= 1
        user.replicas[replica] -= 1
        if not user.replicas[replica]:
            del user.replicas[replica]

    def shut(self, work: RoutedRequest, now: float) -> frozenset[Replica]:
        """Replicas where the user has reached its slot limit; empty if no other user is active."""
        user = self._known.get(work.user_id)
        if user is None or not user.replicas or not self._others_ask(work.user_id, now):
            return NOWHERE
        return frozenset(
            [replica for replica, sent in user.replicas.items() if sent >= most_of_one(replica)]
        )

    def may_begin(self, work: RoutedRequest, replica: Replica, now: float) -> bool:
        """Whether the replica has a free slot that this user may use."""
        if not replica.is_open:
            return False
        sent = self._of(work).replicas.get(replica, 0)
        return sent < most_of_one(replica) or not self._others_ask(work.user_id, now)

    # Turns

    def turn(self, pending: PendingRequest, now: float) -> tuple[float, float]:
        """Sort key of held requests, lowest first: user's usage over priority, then rank."""
        if self.waiting <= 1:
            return 0.0, pending.rank
        return self._of(pending.work).has(now) / pending.work.priority, pending.rank

    def first(self, worker: WorkerState, now: float) -> PendingRequest | None:
        """The held request that the worker may start next, or None."""
        held = worker.held
        if not held:
            return None
        if self.waiting <= 1:
            work = held[0].work
            replicas = worker.replicas.values()
            able = {replica for replica in replicas if self.may_begin(work, replica, now)}
            return _shortest((t for t in held if t.replica in able), worker.least_s)
        may = [t for t in held if t.replica is not None and self.may_begin(t.work, t.replica, now)]
        turn = min(may, key=lambda pending: self.turn(pending, now), default=None)
        if turn is None:
            return None
        user_id = turn.work.user_id
        return _shortest((t for t in may if t.work.user_id == user_id), worker.least_s)

    def front(
        self, held: Sequence[PendingRequest], count: int, now: float
    ) -> Sequence[PendingRequest]:
        """The first `count` requests a worker holds, in the order they will start."""
        if self.waiting <= 1:
            return held[:count]
        return nsmallest(count, held, key=lambda pending: self.turn(pending, now))

    def prune(self, now: float) -> None:
        """Forget users without work and without a recent request."""
        for user_id, user in [*self._known.items()]:
            if now - user.asked_at <= ACTIVE_S:
                return
            if not (user.held or user.sent or user.devices):
                del self._known[user_id]

    def _of(self, work: RoutedRequest) -> UserLoad:
        user = self._known.get(work.user_id)
        if user is None:
            user = self._known[work.user_id] = UserLoad()
        return user

    def _others_ask(self, user_id: str, now: float) -> bool:
        """Whether another user has sent a request within ACTIVE_S."""
        for other in reversed(self._known):
            if other != user_id:
                return now - self._known[other].asked_at <= ACTIVE_S
        return False


def overtake(pending: PendingRequest, worker: WorkerState) -> None:
    """Take the request's seconds from the slack of its user's earlier ones that could start too."""
    if worker.held[0] is pending:
        return
    able = {replica for replica in worker.replicas.values() if replica.is_open}
    user_id = pending.work.user_id
    for other in worker.held:
        if other is pending:
            return
        if other.replica in able and other.work.user_id == user_id:
            other.slack_s -= pending.whole_s


def _shortest(held: Iterable[PendingRequest], least_s: float) -> PendingRequest | None:
    """The shortest that all before it in `held` have the slack to let pass; else the first.

    One of lower priority passes nobody. No request takes fewer seconds than `least_s`, so the
    search ends at the first that has less slack.
    """
    best: PendingRequest | None = None
    best_s = 0.0
    slack_s = float("inf")
    priority = 0
    for pending in held:
        whole_s = pending.whole_s
        if best is None or (
            whole_s < best_s and whole_s <= slack_s and pending.work.priority >= priority
        ):
            best = pending
            best_s = whole_s
        priority = max(priority, pending.work.priority)
        slack_s = min(slack_s, pending.slack_s)
        if slack_s < least_s or slack_s <= 0:
            break
    return best


def most_of_one(replica: Replica) -> int:
    """How many slots of a replica one user may use while other users are active."""
    places = replica.places
    return places - (places + KEPT // 2) // KEPT
