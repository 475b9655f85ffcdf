"""The engine's one thread: receive, admit, fill, decode, sample, emit."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from registry.errors import ModelyardError
from serving.engines.generation import Finish, Place
from serving.engines.llama_cpp.adapters import Adapters, Turns
from serving.engines.llama_cpp.batch import Batch
from serving.engines.llama_cpp.binding import Context
from serving.engines.llama_cpp.cache import KvCache
from serving.engines.llama_cpp.candidates import Candidates
from serving.engines.llama_cpp.drawing import drawer_for
from serving.engines.llama_cpp.errands import Errands
from serving.engines.llama_cpp.harvest import Harvest
from serving.engines.llama_cpp.sampling import Scope
from serving.engines.llama_cpp.scoring import Score
from serving.engines.llama_cpp.slot import Sequence, Slot
from serving.engines.llama_cpp.speculation import Speculation
from serving.engines.llama_cpp.speed import Speed
from serving.engines.llama_cpp.step import Step
from serving.engines.llama_cpp.vocabulary import Vocabulary
from serving.engines.measures import Measures
from serving.errors import EngineFailed

_HEADROOM = 256  # cells kept for an answer whose length nobody knows, where cells are shared
_NO_ROOM, _ABORTED = 1, 2


@dataclass(slots=True)
class Scheduler:
    """Owns the context. `submit`, `cancel` and `stop` may be called from any thread."""

    context: Context
    vocabulary: Vocabulary
    cache: KvCache
    adapters: Adapters
    speed: Speed
    speculation: Speculation
    spill_after_s: float = 5.0
    harvest: Harvest = field(init=False)
    batch: Batch = field(init=False)
    scope: Scope = field(init=False)
    candidates: Candidates = field(init=False)
    measures: Measures = field(default_factory=Measures)
    turns: Turns = field(default_factory=Turns)
    waiting: deque[Sequence] = field(default_factory=deque[Sequence])
    _inbox: deque[Sequence] = field(default_factory=deque[Sequence])
    _errands: Errands = field(default_factory=Errands)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.harvest = Harvest(self.cache, self.vocabulary, self.speculation, self.measures)
        self.batch = Batch(self.context.shape.batch)
        self.scope = Scope(self.vocabulary.size, self.context.shape.cells)
        self.candidates = Candidates(self.vocabulary)
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    # From any thread

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def queued(self) -> int:
        return len(self._inbox) + len(self.waiting)

    def submit(self, sequence: Sequence) -> None:
        self._inbox.append(sequence)
        self._wake.set()
        if not self.alive:
            raise EngineFailed("The engine has stopped.")

    def cancel(self, sequence: Sequence) -> None:
        sequence.cancelled = True
        self._wake.set()

    def errand(self, work: Callable[[], Any]) -> Future[Any]:
        """Have something done between two steps by the thread that owns the context."""
        done = self._errands.add(work)
        self._wake.set()
        if not self.alive:
            raise EngineFailed("The engine has stopped.")
        return done

    def stop(self) -> None:
        """End the running decode, fail what is left, and wait for the thread."""
        self._stopping = True
        self.context.abort()
        self._wake.set()
        self._thread.join()

    # On the scheduler's thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                if not self._turn():
                    self._rest()
        finally:
            self._fail_all(EngineFailed("The engine stopped before the answer was complete."))

    def _rest(self) -> None:
        """Wait for a call; after a while without one, save what the next would push out."""
        self.speed.rest()
        if not self._wake.wait(self.spill_after_s):
            self.cache.save_idle(time.monotonic() - self.spill_after_s)
            self._wake.wait()
        self._wake.clear()

    def _turn(self) -> bool:
        """One step; False when there is nothing to do until somebody calls."""
        self._errands.run()
        self._receive()
        self._admit()
        settled = [s for s in self.cache.running if self.cache.settle(s)]
        writers = self.turns.take(settled)
        spare, begun = self.context.shape.spare_rows, time.perf_counter()
        drafts = self.speculation.plan(writers, min(spare, self._free(writers)))
        step = Step.fill(self.batch, writers, spare, drafts)
        thought = time.perf_counter() - begun
        if step.chunks and self._adapt(step) and (seconds := self._run_step(step)):
            self.speculation.took(thought + seconds)
        self.harvest.post.send()
        return bool(self.cache.running or self.waiting)

    def _adapt(self, step: Step) -> bool:
        """Switch to this turn's adapter; where it is gone its sequences end with the reason."""
        try:
            self.adapters.use(self.turns.adapter)
        except ModelyardError as error:
            for chunk in step.chunks:
                self.harvest.finish(chunk.slot, EngineFailed(error.message, fix=error.fix))
            return False
        return True

    def _receive(self) -> None:
        while self._inbox:
            self.waiting.append(self._inbox.popleft())
        for slot in self.cache.running:
            if slot.sequence is not None and slot.sequence.cancelled:
                self.harvest.finish(slot, Finish.STOP)

    def _admit(self) -> None:
        """First come, first served: one that does not fit yet holds back those behind it."""
        while self.waiting:
            sequence = self.waiting[0]
            if sequence.cancelled:
                self.harvest.close(self.waiting.popleft(), Finish.STOP)
            elif self.cache.idle and self._fits(sequence):
                self._open(self.waiting.popleft())
            else:
                return

    def _fits(self, sequence: Sequence) -> bool:
        """Whether cells remain: with split memory always, each slot having its own."""
        running = [s.sequence for s in self.cache.running if s.sequence is not None]
        if not self.context.shape.unified or not running:
            return True
        need = sum(_expected(s) for s in (*running, sequence))
        return need <= self.context.shape.cells

    def _open(self, sequence: Sequence) -> None:
        self.cache.place(sequence, behind=len(self.waiting))
        if sequence.preempted:
            return
        self.measures.began(sequence.times)
        self.measures.prefix_hits += sequence.reused > 0
        self.speed.cached_tokens += sequence.reused
        prompt = sequence.generation.prompt
        sequence.drawer = drawer_for(
            sequence.generation, sequence.grammar, self.scope, self.candidates
        )
        if sequence.is_scored:
            self.harvest.post.add(sequence, Score(prompt[0], None, (), Place.PROMPT))
            sequence.scored = 1

    def _free(self, settled: list[Slot]) -> int:
        """Tokens that fit into a batch of writers beside theirs, and into memory."""
        shape, writers = self.context.shape, len(settled)
        left = shape.cells - self.cache.cells_used if shape.unified else shape.batch
        return min(left, shape.batch) - writers

    def _run_step(self, step: Step) -> float:
        """Decode and draw; the seconds it took, 0 where it was not done."""
        begun = time.perf_counter()
        if not self._decode(step):
            return 0.0
        done, prompt = time.perf_counter(), step.prompt_tokens
        self.measures.step(self.batch.size, len(step.chunks), done - begun)
        written = 0
        if self.batch.rows:
            written = self.harvest.gather(step, self.context.logits(self.batch.rows), done)
        self.speed.step(prompt, written, begun, done)
        return time.perf_counter() - begun

    def _decode(self, step: Step) -> bool:
        code = self.context.decode(self.batch.native)
        if code == 0:
            step.done()
            return True
        for slot in self.cache.running:
            self.cache.rewind(slot)
        if code == _NO_ROOM:
            self._make_room()
        elif code != _ABORTED:
            self._fail_running(EngineFailed(f"llama.cpp refused a batch (code {code})."))
        return False

    def _make_room(self) -> None:
        """Give up an idle slot's memory, else the youngest sequence's, which starts over later."""
        if self.cache.evict():
            return
        youngest = self.cache.running[-1]
        sequence = youngest.sequence
        if sequence is None or len(self.cache.running) == 1:
            self._fail_running(EngineFailed("The context has too few cells for this request."))
            return
        sequence.preempted += 1
        self.speed.preempted += 1
        self.cache.forget(youngest)
        self.waiting.appendleft(sequence)

    def _fail_running(self, error: EngineFailed) -> None:
        for slot in self.cache.running:
            self.harvest.finish(slot, error)

    def _fail_all(self, error: EngineFailed) -> None:
        self._fail_running(error)
        self._errands.fail(error)
        for sequence in (*self.waiting, *self._inbox):
            self.harvest.close(sequence, error)
        self.harvest.post.send()


def _expected(sequence: Sequence) -> int:
    """Cells a sequence will need; one that lost its place once is only let in to finish."""
    left = sequence.left if sequence.preempted else min(sequence.left, _HEADROOM)
    return len(sequence.tokens) + left
