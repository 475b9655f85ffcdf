"""The fleet as decisions need it: each worker's work in seconds, and what of it is ours."""

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate

from modelyard.serving.routing.estimates.load_window import LoadWindow
from modelyard.serving.routing.estimates.speeds import Slowdown, TokenLatency
from modelyard.serving.routing.policy.overtaking import Overtaking
from modelyard.serving.routing.policy.prompt_queue import PromptQueue
from modelyard.serving.routing.policy.request import RoutedRequest

PRIORITY_S = 30.0
"""Seconds of waiting that one step of priority is worth."""

TURN_SHARE = 0.05

OTHERS_SHARE = 0.5
"""Of a worker's places the other gateways' requests take at most this share from ours."""


class ReplicaState(Enum):
    """Where a version stands on a worker; one that is LEAVING gets nothing new.

    What is given to one that is KEPT for a single request waits until it is READY again.
    """

    LOADING = "loading"
    READY = "ready"
    KEPT = "kept"
    LEAVING = "leaving"


@dataclass(slots=True, eq=False)
class Replica:
    """One version on one worker.

    `slots` are the requests its engine works on at a time; 0 where it takes what its worker may be
    sent: no more is sent, so that one version never has the places of others.
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
    is_kept: bool = False  # or to be, once it is loaded

    @property
    def is_staying(self) -> bool:
        """Whether it gets new work, now or once it is loaded."""
        return self.state is not ReplicaState.LEAVING

    @property
    def is_full(self) -> bool:
        """Whether its engine has as much as it works on."""
        return 0 < self.slots <= self.busy - self.held

    @property
    def is_open(self) -> bool:
        """Whether it could begin one more."""
        return self.state is ReplicaState.READY and not self.is_full

    @property
    def places(self) -> int:
        return self.slots or self.worker.slots

    @property
    def turn_s(self) -> float:
        """How often one of its places comes free."""
        return self.worker.turn_s * self.worker.slots / self.places

    def learned(self) -> None:
        """Seconds a token as they are now on this worker, with one request more than it has.

        Good until the worker's work changes, which its `turn` tells: whoever reads looks there.
        """
        worker = self.worker
        self.turn = worker.turn
        at = worker.sent + worker.others + 1
        slowness = worker.slowness
        self.prefill_s = self.pace.prefill.at(at) * slowness
        self.decode_s = self.pace.decode.at(at) * slowness


class PendingRequest:
    """A reservation: work bound to a replica, held here until the worker is free to begin it."""

    __slots__ = (
        "arrived_at",
        "concurrency",
        "first_at",
        "is_over",
        "is_sent",
        "prefill_s",
        "prompts_before",
        "rank",
        "replica",
        "sent_at",
        "uncached",
        "version",
        "whole_s",
        "work",
    )

    def __init__(self, work: RoutedRequest, version: str, arrived_at: float) -> None:
        self.work = work
        self.version = version
        self.arrived_at = arrived_at
        self.replica: Replica | None = None
        self.uncached = self.prefill_s = self.whole_s = self.rank = 0.0
        self.is_sent = self.is_over = False
        self.sent_at = self.concurrency = self.prompts_before = 0.0
        self.first_at: float | None = None

    def __lt__(self, other: "PendingRequest") -> bool:
        return self.rank < other.rank

    def bind(self, replica: Replica, uncached: float, output: float) -> None:
        """`whole_s` is what it takes of its worker, others being there to share its steps."""
        self.replica = replica
        self.uncached = uncached
        self.prefill_s = uncached * replica.prefill_s
        self.whole_s = self.prefill_s + output * replica.decode_s / replica.worker.slots
        urgency = self.work.priority * PRIORITY_S
        self.rank = self.arrived_at + replica.worker.overtaking.most_s(self.whole_s) - urgency


@dataclass(slots=True, eq=False)
class WorkerState:
    """One device: what we sent there and what we hold for it, in the order of its beginning."""

    index: int
    device_id: str
    gpu: str
    slots: int
    memory: float
    slowdown: Slowdown = field(default_factory=Slowdown)
    recent: LoadWindow = field(default_factory=LoadWindow)
    overtaking: Overtaking = field(default_factory=Overtaking)
    strain: float = 0.0  # how many times slower it is at least, by what its own hardware says
    is_plain: bool = True
    _is_fit: bool = True
    replicas: dict[str, Replica] = field(default_factory=dict[str, Replica])
    sent: int = 0
    others: float = 0.0
    others_s: float = 0.0  # of prompts that other gateways have there
    held: list[PendingRequest] = field(default_factory=list[PendingRequest])
    queue: PromptQueue = field(default_factory=PromptQueue)
    turn_s: float = 0.1
    is_moving: bool = False
    turn: int = 0
    prompts: float = 0.0  # tokens of prompts computed here since the beginning
    _ranks: list[float] = field(default_factory=list[float])
    _ahead: list[float] = field(default_factory=list[float])

    @property
    def is_fit(self) -> bool:
        """Whether it may get work at all."""
        return self._is_fit

    @is_fit.setter
    def is_fit(self, is_fit: bool) -> None:
        self._is_fit = is_fit
        self._changed()

    @property
    def slowness(self) -> float:
        """How many times longer it takes than its like: as measured, at least as it says.

        Never faster: in a few answers that is mostly luck, and all would be drawn to it.
        """
        return max(1.0, self.slowdown.factor, self.strain)

    @property
    def concurrency(self) -> float:
        return self.sent + self.others

    @property
    def is_full(self) -> bool:
        """Whether what comes now has to wait for a place."""
        return self.sent + self.others >= self.slots

    @property
    def has_slot(self) -> bool:
        """Whether we may send: others never keep us out of all of a worker's places."""
        return self.sent + min(self.others, self.slots * OTHERS_SHARE) < self.slots

    @property
    def is_open(self) -> bool:
        return self.is_fit and self.has_slot

    @property
    def free_memory(self) -> float:
        return self.memory - sum((replica.memory for replica in self.replicas.values()), 0.0)

    def reported(self, *, memory: float, slots: int, strain: float) -> None:
        """By its own report: bytes that versions may fill, and requests at a time."""
        self.memory = memory
        self.slots = slots
        self.strain = strain
        self._changed()

    def takes_at_least(self, slots: int) -> None:
        """Its engines work on so many requests at a time: a report from before may say less."""
        self.slots = max(self.slots, slots)
        self._changed()

    def others_have(self, requests: float, prefill_s: float) -> None:
        """What other gateways have there, and the seconds of it that are still to be computed."""
        self.others_s = prefill_s
        if requests != self.others:
            self.others = requests
            self._changed()

    def wait_s(self, now: float) -> float:
        """Seconds until the prompts that were sent are computed."""
        return max(self.queue.behind_s, self.queue.free_at - now, 0.0)

    def queue_s(self, now: float) -> float:
        """Seconds until one that comes now, behind all others, could begin."""
        ahead = self._ahead[-1] if self._ahead else 0.0
        turns = self.turn_s * (1 + len(self.held)) if self.is_full else 0.0
        return self.wait_s(now) + ahead + turns

    def ahead_s(self, rank: float) -> float:
        """Seconds of prompts held here that begin before one of this rank."""
        ranks = self._ranks
        if not ranks or rank < ranks[0]:
            return 0.0
        return self._ahead[bisect_right(ranks, rank) - 1]

    def hold(self, pending: PendingRequest, replica: Replica) -> None:
        replica.held += 1
        insort(self.held, pending)
        self._held_changed()

    def release(self, pending: PendingRequest, replica: Replica) -> None:
        """It is held here no longer."""
        replica.held -= 1
        self.held.remove(pending)
        self._held_changed()

    def send(self, pending: PendingRequest, now: float) -> None:
        """The worker begins with it as soon as what was sent before is computed."""
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
        """A prompt is done; returns the seconds it took alone, None where others overtook it."""
        if pending not in self.queue:
            return None
        self.prompts += pending.uncached
        self._changed()
        return self.queue.computed(pending, now)

    def leave(self, pending: PendingRequest, now: float) -> None:
        """The request is over, however."""
        self.computed(pending, now)
        self.sent -= 1
        self._changed()

    def stayed(self, seconds: float) -> None:
        """A request has been here for so long: that is how often a place comes free."""
        self.turn_s += TURN_SHARE * (seconds / self.slots - self.turn_s)

    def _changed(self) -> None:
        """Every method that changes a worker ends here: replicas' speeds are to be read anew.

        What the hot loop asks of a worker is kept as one flag: free, fit, nothing held.
        """
        self.turn += 1
        self.is_plain = self._is_fit and not self.held and self.sent + self.others < self.slots

    def _held_changed(self) -> None:
        self._ranks = [t.rank for t in self.held]
        self._ahead = list(accumulate(t.prefill_s for t in self.held))
        self._changed()
