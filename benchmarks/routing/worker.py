"""A simulated worker: continuous batching, a prefix cache, models that take time to load.

Service model. A worker's steps serve all its models. A step writes one token for each of the n
streams that decode, which takes (1 + slowdown * (n - 1)) / decode_tps, and, while prompts wait,
works on CHUNK of their tokens besides, which takes CHUNK / prefill_tps more; prompts are taken
first come, first served, and their last token brings the first of the answer. At most
max_concurrency requests are in prefill or decode, the others queue. Prompt blocks of the same
model that the worker still has (CACHE_TOKENS, least recently used leave, a model's with the model)
are not computed again. A model is read in load_s, several at a time, without slowing the others;
only models without work can leave, each in EVICT_S. A speed event scales everything but loads.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from benchmarks.routing.fleet import Gpu, ModelProfile
from benchmarks.routing.traces import BLOCK
from benchmarks.routing.workload import Request

CHUNK = 512
CACHE_TOKENS = 500_000
EVICT_S = 0.5


@dataclass(slots=True, eq=False)
class SimulatedModel:
    """A model on a worker: `ready_s` is when it answers, `busy` counts its requests there."""

    memory_gb: float
    ready_s: float
    used_s: float
    busy: int = 0
    early: list[Request] = field(default_factory=list[Request])


@dataclass(slots=True, eq=False)
class SimWorker:
    """One worker between events: between two of them its rates are constant."""

    index: int
    gpu: Gpu
    speed: float = 1.0
    models: dict[int, SimulatedModel] = field(default_factory=dict[int, SimulatedModel])
    queue: deque[Request] = field(default_factory=deque[Request])
    prefills: deque[Request] = field(default_factory=deque[Request])
    decodes: list[tuple[float, int, Request]] = field(
        default_factory=list[tuple[float, int, Request]]
    )
    epoch: int = 0
    _left: float = 0.0  # tokens of the first prefill still to compute
    _written: float = 0.0  # tokens each stream has written since the beginning
    _since: float = 0.0
    _cache: OrderedDict[tuple[int, int], None] = field(
        default_factory=OrderedDict[tuple[int, int], None]
    )

    @property
    def running(self) -> int:
        return len(self.prefills) + len(self.decodes)

    @property
    def in_flight(self) -> int:
        """Everything here, also what waits for its model."""
        return self.running + len(self.queue) + sum(len(m.early) for m in self.models.values())

    @property
    def waiting(self) -> int:
        """Requests that no step works on yet."""
        return len(self.queue) + max(0, len(self.prefills) - 1)

    @property
    def kv_usage(self) -> float:
        """Share of the cache that requests at work hold."""
        held = sum(r.prompt for r in self.prefills) + sum(r.prompt for _, _, r in self.decodes)
        return min(1.0, held / CACHE_TOKENS)

    @property
    def free_gb(self) -> float:
        return self.gpu.memory_gb - sum(m.memory_gb for m in self.models.values())

    def load(self, model: int, what: ModelProfile, victims: tuple[int, ...], now: float) -> float:
        """Begin to load; returns when it will be ready."""
        for victim in victims:
            gone = self.models.pop(victim)
            if gone.busy or gone.early:
                raise AssertionError("a model at work was evicted")
            self._forget(victim)
        if self.free_gb < what.memory_gb - 1e-9:
            raise AssertionError("a model was loaded where it does not fit")
        ready = now + what.load_s + EVICT_S * len(victims)
        self.models[model] = SimulatedModel(what.memory_gb, ready, now)
        return ready

    def take(self, request: Request, now: float) -> None:
        """A request arrives for a model that is here or coming."""
        loaded = self.models[request.model]
        loaded.used_s, loaded.busy = now, loaded.busy + 1
        request.sent_s = now
        if loaded.ready_s > now:
            loaded.early.append(request)
        else:
            self._enter(request)

    def opened(self, model: int, now: float) -> None:
        """A model is ready: what waited for it goes on."""
        loaded = self.models[model]
        early, loaded.early = loaded.early, []
        for request in early:
            self._enter(request)

    def _enter(self, request: Request) -> None:
        self.queue.append(request)
        self._admit()

    def _admit(self) -> None:
        while self.queue and self.running < self.gpu.concurrency:
            self.prefills.append(self.queue.popleft())
            if len(self.prefills) == 1:
                self._begin()

    def _begin(self) -> None:
        """The first prefill starts: what of its prompt is still known is not computed again."""
        request = self.prefills[0]
        request.cached = min(self._match(request), request.prompt - 1)
        self._left = float(request.prompt - request.cached)

    def _step_s(self) -> float:
        step = self.gpu.step_s(len(self.decodes)) if self.decodes else 0.0
        if self.prefills:
            step += CHUNK / self.gpu.prefill_tps
        return step / self.speed

    def advance(self, now: float) -> None:
        """Let time pass until `now`; nothing ends before `next_s`."""
        passed, self._since = now - self._since, now
        if passed <= 0 or not (self.prefills or self.decodes):
            return
        steps = passed / self._step_s()
        self._written += steps * bool(self.decodes)
        if self.prefills:
            self._left -= steps * CHUNK

    def next_s(self) -> float | None:
        """When the next prefill or stream ends if nothing else happens."""
        if not (self.prefills or self.decodes):
            return None
        steps = min(
            self._left / CHUNK if self.prefills else float("inf"),
            self.decodes[0][0] - self._written if self.decodes else float("inf"),
        )
        return self._since + max(0.0, steps) * self._step_s()

    def ended(self, now: float) -> tuple[Request | None, list[Request]]:
        """The request whose first token is there now, and those that are complete."""
        first = None
        done = list[Request]()
        if self.prefills and self._left <= 1e-6:
            first = self.prefills.popleft()
            first.first_s = now
            self._remember(first)
            if first.output > 1:
                heappush(self.decodes, (self._written + first.output - 1, first.number, first))
            else:
                done.append(first)
            if self.prefills:
                self._begin()
        while self.decodes and self.decodes[0][0] - self._written <= 1e-6:
            done.append(heappop(self.decodes)[2])
        for request in done:
            request.done_s = now
            self.models[request.model].busy -= 1
            self.models[request.model].used_s = now
        self._admit()
        return first, done

    def _match(self, request: Request) -> int:
        known = 0
        for block in request.blocks:
            if (request.model, block) not in self._cache:
                break
            known += 1
        return known * BLOCK

    def _remember(self, request: Request) -> None:
        for block in reversed(request.blocks):  # the beginning is the last to leave
            self._cache[(request.model, block)] = None
            self._cache.move_to_end((request.model, block))
        while len(self._cache) > CACHE_TOKENS // BLOCK:
            self._cache.popitem(last=False)

    def _forget(self, model: int) -> None:
        for key in [key for key in self._cache if key[0] == model]:
            del self._cache[key]
