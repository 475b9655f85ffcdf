"""The engine's one thread: receive, admit, fill, decode, sample, emit."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.errors import ModelyardError
from modelyard.serving.engines.generation import Finish, TokenPosition
from modelyard.serving.engines.llama_cpp.adapters import AdapterSchedule, LoadedAdapters
from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.control_tasks import ControlTasks
from modelyard.serving.engines.llama_cpp.kv.prefix_cache import KvCache
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence, Slot
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext
from modelyard.serving.engines.llama_cpp.sampling.candidates import Candidates
from modelyard.serving.engines.llama_cpp.sampling.sampler import drawer_for
from modelyard.serving.engines.llama_cpp.sampling.sampling import Scope
from modelyard.serving.engines.llama_cpp.sampling.scoring import Score
from modelyard.serving.engines.llama_cpp.speculation.speculation import Speculation
from modelyard.serving.engines.llama_cpp.speed import Speed
from modelyard.serving.engines.llama_cpp.step import Step
from modelyard.serving.engines.llama_cpp.token_emitter import TokenEmitter
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.measures import Measures
from modelyard.serving.errors import EngineFailed

_HEADROOM = 256  # cells reserved for an answer of unknown length, if cells are shared
_NO_ROOM = 1
_ABORTED = 2


@dataclass(slots=True)
class Scheduler:
    """Owns the context. `submit`, `cancel` and `stop` may be called from any thread."""

    context: LlamaContext
    vocabulary: Vocabulary
    cache: KvCache
    adapters: LoadedAdapters
    speed: Speed
    speculation: Speculation
    spill_after_s: float = 5.0
    emitter: TokenEmitter = field(init=False)
    batch: Batch = field(init=False)
    scope: Scope = field(init=False)
    candidates: Candidates = field(init=False)
    measures: Measures = field(default_factory=Measures)
    turns: AdapterSchedule = field(default_factory=AdapterSchedule)
    waiting: deque[Sequence] = field(default_factory=deque[Sequence])
    _inbox: deque[Sequence] = field(default_factory=deque[Sequence])
    _errands: ControlTasks = field(default_factory=ControlTasks)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _turned_at: float = 0.0  # when the current turn began; 0 while there is nothing to do
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.emitter = TokenEmitter(self.cache, self.vocabulary, self.speculation, self.measures)
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
    def step_s(self) -> float:
        """Seconds since the current turn began; 0 while there is nothing to do."""
        turned_at = self._turned_at
        return time.monotonic() - turned_at if turned_at else 0.0

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
        """Run `work` between two steps, on the thread that owns the context."""
        done = self._errands.add(work)
        self._wake.set()
        if not self.alive:
            raise EngineFailed("The engine has stopped.")
        return done

    def stop(self) -> None:
        """Abort the running decode, fail what is left, and join the thread."""
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
        """Wait for work; after `spill_after_s` idle seconds, save prompts that may be evicted."""
        self.speed.rest()
        self._turned_at = 0.0
        if not self._wake.wait(self.spill_after_s):
            self._turned_at = time.monotonic()
            self.cache.save_idle(self._turned_at - self.spill_after_s)
            self._turned_at = 0.0
            self._wake.wait()
        self._wake.clear()

    def _turn(self) -> bool:
        """Run one step; False if there is nothing to do until the next wake-up."""
        self._turned_at = time.monotonic()
        self._errands.run()
        self._receive()
        self._admit()
        settled = [s for s in self.cache.running if self.cache.settle(s)]
        writers = self.turns.take(settled)
        spare = self.context.shape.spare_rows
        begun = time.perf_counter()
        drafts = self.speculation.plan(writers, min(spare, self._free(writers)))
        step = Step.fill(self.batch, writers, spare, drafts)
        thought = time.perf_counter() - begun
        if step.chunks and self._adapt(step) and (seconds := self._run_step(step)):
            self.speculation.took(thought + seconds)
        self.emitter.post.send()
        return bool(self.cache.running or self.waiting)

    def _adapt(self, step: Step) -> bool:
        """Switch to this turn's adapter; if it is gone, fail its sequences with the reason."""
        try:
            self.adapters.use(self.turns.adapter)
        except ModelyardError as error:
            for chunk in step.chunks:
                self.emitter.finish(chunk.slot, EngineFailed(error.message, fix=error.fix))
            return False
        return True

    def _receive(self) -> None:
        while self._inbox:
            self.waiting.append(self._inbox.popleft())
        for slot in self.cache.running:
            if slot.sequence is not None and slot.sequence.cancelled:
                self.emitter.finish(slot, Finish.STOP)

    def _admit(self) -> None:
        """Admit in arrival order: a request that does not fit yet blocks those behind it."""
        while self.waiting:
            sequence = self.waiting[0]
            if sequence.cancelled:
                self.emitter.close(self.waiting.popleft(), Finish.STOP)
            elif self.cache.idle and self._fits(sequence):
                self._open(self.waiting.popleft())
            else:
                return

    def _fits(self, sequence: Sequence) -> bool:
        """Whether enough cells are free; always true with split memory (cells per slot)."""
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
        sequence.sampler = drawer_for(
            sequence.generation, sequence.grammar, self.scope, self.candidates
        )
        if sequence.is_scored:
            self.emitter.post.add(sequence, Score(prompt[0], None, (), TokenPosition.PROMPT))
            sequence.scored = 1

    def _free(self, settled: list[Slot]) -> int:
        """Draft tokens that fit into the batch and memory besides one token per writer."""
        shape = self.context.shape
        writers = len(settled)
        left = shape.cells - self.cache.cells_used if shape.unified else shape.batch
        return min(left, shape.batch) - writers

    def _run_step(self, step: Step) -> float:
        """Decode and sample; returns the seconds it took, 0 if the decode failed."""
        begun = time.perf_counter()
        if not self._decode(step):
            return 0.0
        done = time.perf_counter()
        prompt = step.prompt_tokens
        self.measures.step(self.batch.size, len(step.chunks), done - begun)
        written = 0
        if self.batch.rows:
            written = self.emitter.gather(step, self.context.logits(self.batch.rows), done)
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
        """Evict an idle slot's memory, else preempt the youngest sequence, which restarts later."""
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
            self.emitter.finish(slot, error)

    def _fail_all(self, error: EngineFailed) -> None:
        self._fail_running(error)
        self._errands.fail(error)
        for sequence in (*self.waiting, *self._inbox):
            self.emitter.close(sequence, error)
        self.emitter.post.send()


def _expected(sequence: Sequence) -> int:
    """Cells a sequence will need; a preempted one needs room for its whole remaining answer."""
    left = sequence.left if sequence.preempted else min(sequence.left, _HEADROOM)
    return len(sequence.tokens) + left
