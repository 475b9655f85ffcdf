"""Fleet state for routing decisions: each worker's queued work in seconds, ours and others'."""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate

from modelyard.serving.routing.estimates.load_window import LoadWindow
from modelyard.serving.routing.estimates.speeds import Slowdown, TokenLatency
from modelyard.serving.routing.policy.overtaking import Overtaking
from modelyard.serving.routing.policy.prompt_queue import PromptQueue
from modelyard.serving.routing.policy.request import RoutedRequest

PRIORITY_S = 30.0
"""Seconds of waiting that one priority step is worth."""

TURN_SHARE = 0.05

OTHERS_SHARE = 0.5
"""Other gateways' requests block at most this share of a worker's slots for this gateway."""


class ReplicaState(Enum):
    """State of a version on a worker; a LEAVING replica gets no new requests.

    KEPT means reserved for suspect requests; others bound to it wait until it is READY again.
    """

    LOADING = "loading"
    READY = "ready"
    KEPT = "kept"
    LEAVING = "leaving"


@dataclass(slots=True, eq=False)
class Replica:
    """One version on one worker.

    `slots` is how many requests its engine runs at a time; 0 means the worker's limit applies. No
    more are sent, so that one version never occupies the slots of another.
    """

    worker: "WorkerState"
    version: str
    memory: float
    pace: TokenLatency
    state: ReplicaState = ReplicaState.READY
    ready_at: float = 0.0
    used_at: float = 0.0
    busy: int = 0
    held: int = 0
    slots: int = 0
    url: str = ""
    prefill_s: float = 0.0
    decode_s: float = 0.0
    turn: int = -1
    is_kept: bool = False  # or becomes KEPT once loaded

    @property
    def is_staying(self) -> bool:
        """Whether the replica gets new work, now or once it is loaded."""
        return self.state is not ReplicaState.LEAVING

    @property
    def is_full(self) -> bool:
        """Whether all slots of its engine are in use."""
        return 0 < self.slots <= self.busy - self.held

    @property
    def is_open(self) -> bool:
        """Whether the replica could start one more request."""
        return self.state is ReplicaState.READY and not self.is_full

    @property
    def places(self) -> int:
        return self.slots or self.worker.slots

    @property
    def turn_s(self) -> float:
        """Seconds between two releases of one of its slots."""
        return self.worker.turn_s * self.worker.slots / self.places

    def learned(self) -> None:
        """Refresh the seconds per token on this worker, as with one more request than it has now.

        The values are valid while `turn` equals the worker's `turn`; readers check that first.
        """
        worker = self.worker
        self.turn = worker.turn
        at = worker.sent + worker.others + 1
        slowness = worker.slowness
        self.prefill_s = self.pace.prefill.at(at) * slowness
        self.decode_s = self.pace.decode.at(at) * slowness


class PendingRequest:
    """A request, bound to a replica or waiting for one, held here until the worker can start it."""

    __slots__ = (
        "arrived_at", "concurrency", "first_at", "is_over", "is_sent", "prefill_s",
        "prompts_before", "rank", "replica", "sent_at", "slack_s", "uncached", "version",
        "whole_s", "work",
    )  # fmt: skip

    def __init__(self, work: RoutedRequest, version: str, arrived_at: float) -> None:
        self.work = work
        self.version = version
        self.arrived_at = arrived_at
        self.replica: Replica | None = None
        self.uncached = self.prefill_s = self.whole_s = self.rank = 0.0
        self.slack_s = float("inf")  # until it is held for the first time
        self.is_sent = self.is_over = False
        self.sent_at = self.concurrency = self.prompts_before = 0.0
        self.first_at: float | None = None

    def __lt__(self, other: "PendingRequest") -> bool:
        return self.rank < other.rank

    def bind(self, replica: Replica, uncached: float, output: float) -> None:
        """Bind to a replica; `whole_s` is its share of the worker's time in a full decode batch."""
        self.replica = replica
        self.uncached = uncached
        self.prefill_s = uncached * replica.prefill_s
        self.whole_s = self.prefill_s + output * replica.decode_s / replica.worker.slots
        overtaken_s = replica.worker.overtaking.most_s(self.whole_s)
        self.rank = self.arrived_at + overtaken_s - self.work.priority * PRIORITY_S


@dataclass(slots=True, eq=False)
class WorkerState:
    """One device: the requests sent to it, and those held for it in the order they will start."""

    index: int
    device_id: str
    gpu: str
    slots: int
    memory: float
    slowdown: Slowdown = field(default_factory=Slowdown)
    recent: LoadWindow = field(default_factory=LoadWindow)
    overtaking: Overtaking = field(default_factory=Overtaking)
    strain: float = 0.0  # minimum slowdown factor, reported by its hardware
    is_plain: bool = True
    _is_fit: bool = True
    replicas: dict[str, Replica] = field(default_factory=dict[str, Replica])
    sent: int = 0
    others: float = 0.0
    others_s: float = 0.0  # prompt seconds that other gateways have there
    held: list[PendingRequest] = field(default_factory=list[PendingRequest])
    queue: PromptQueue = field(default_factory=PromptQueue)
    turn_s: float = 0.1
    is_moving: bool = False
    turn: int = 0
    prompts: float = 0.0  # prompt tokens computed here since the start
    least_s: float = 0.0  # `whole_s` of the shortest request held here
    _ranks: list[float] = field(default_factory=list[float])
    _ahead: list[float] = field(default_factory=list[float])

    @property
    def is_fit(self) -> bool:
        """Whether the worker may get work at all."""
        return self._is_fit

    @is_fit.setter
    def is_fit(self, is_fit: bool) -> None:
        self._is_fit = is_fit
        self._changed()

    @property
    def slowness(self) -> float:
        """Slowdown against workers with the same GPU: measured, at least `strain`.

        Never below 1: a speedup seen in a few answers is mostly noise, and would attract all work.
        """
        return max(1.0, self.slowdown.factor, self.strain)

    @property
    def concurrency(self) -> float:
        return self.sent + self.others

    @property
    def is_full(self) -> bool:
        """Whether a new request has to wait for a slot."""
        return self.sent + self.others >= self.slots

    @property
    def has_slot(self) -> bool:
        """Whether this gateway may send; other gateways never block all of a worker's slots."""
        return self.sent + min(self.others, self.slots * OTHERS_SHARE) < self.slots

    @property
    def is_open(self) -> bool:
        return self.is_fit and self.has_slot

    @property
    def free_memory(self) -> float:
        return self.memory - sum((replica.memory for replica in self.replicas.values()), 0.0)

    def reported(self, *, memory: float, slots: int, strain: float) -> None:
        """Apply the worker's report: bytes available to versions, concurrent requests, slowdown."""
        self.memory = memory
        self.slots = slots
        self.strain = strain
        self._changed()

    def takes_at_least(self, slots: int) -> None:
        """Raise `slots` to what its engines run at a time; an older report may say less."""
        self.slots = max(self.slots, slots)
        self._changed()

    def others_have(self, requests: float, prefill_s: float) -> None:
        """Set the other gateways' requests here and the seconds of prompts still to compute."""
        self.others_s = prefill_s
        if requests != self.others:
            self.others = requests
            self._changed()

    def wait_s(self, now: float) -> float:
        """Seconds until all sent prompts are computed."""
        return max(self.queue.behind_s, self.queue.free_at - now, 0.0)

    def queue_s(self, now: float) -> float:
        """Seconds until a request that arrives now, behind all others, could start."""
        ahead = self._ahead[-1] if self._ahead else 0.0
        turns = self.turn_s * (1 + len(self.held)) if self.is_full else 0.0
        return self.wait_s(now) + ahead + turns

    def ahead_s(self, rank: float) -> float:
        """Seconds of held prompts that start before a request of this rank."""
        ranks = self._ranks
        if not ranks or rank < ranks[0]:
            return 0.0
        return self._ahead[bisect_right(ranks, rank) - 1]

    def hold(self, pending: PendingRequest, replica: Replica) -> None:
        """Hold a request here; the first time it is held sets how far others may overtake it."""
        place = bisect_right(self.held, pending)
        if pending.slack_s == float("inf"):
            user = pending.work.user_id
            before = sum((t.whole_s for t in self.held[:place] if t.work.user_id == user), 0.0)
            pending.slack_s = self.overtaking.slack_s(self.wait_s(pending.arrived_at) + before)
        replica.held += 1
        self.held.insert(place, pending)
        self._held_changed()

    def release(self, pending: PendingRequest, replica: Replica) -> None:
        """Remove a request from those held here."""
        replica.held -= 1
        self.held.remove(pending)
        self._held_changed()

    def send(self, pending: PendingRequest, now: float) -> None:
        """Record a sent request; the worker starts it once the earlier prompts are computed."""
        pending.is_sent = True
        pending.sent_at = now
        waited_s = now - pending.arrived_at + self.wait_s(now)
        self.overtaking.waited(waited_s, pending.whole_s)
        self.recent.add(pending.prefill_s, pending.whole_s, now)
        self.sent += 1
        self.queue.add(pending, pending.prefill_s, now)
        pending.concurrency = self.sent + self.others
        self._changed()

    def computed(self, pending: PendingRequest, now: float) -> float | None:
        """Record a computed prompt; returns its own seconds, or None if it was not next."""
        if pending not in self.queue:
            return None
        self.prompts += pending.uncached
        self._changed()
        return self.queue.computed(pending, now)

    def leave(self, pending: PendingRequest, now: float) -> None:
        """Record that a request ended, answered or not."""
        self.computed(pending, now)
        self.sent -= 1
        self._changed()

    def stayed(self, seconds: float) -> None:
        """Update `turn_s`, the seconds between two free slots, from one request's duration."""
        self.turn_s += TURN_SHARE * (seconds / self.slots - self.turn_s)

    def _changed(self) -> None:
        """Invalidate the replicas' cached speeds; every method that changes a worker calls this.

        `is_plain` is the hot loop's one check: fit, nothing held, a slot free.
        """
        self.turn += 1
        self.is_plain = self._is_fit and not self.held and self.sent + self.others < self.slots

    def _held_changed(self) -> None:
        self._ranks = [t.rank for t in self.held]
        self._ahead = list(accumulate(t.prefill_s for t in self.held))
        self.least_s = min((t.whole_s for t in self.held), default=0.0)
        self._changed()
