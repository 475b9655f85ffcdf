"""The queue of texts for the lanes; requests take turns, however many texts each has."""

import asyncio
import threading
import time
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.engines.onnx.batching import BatchingPolicy
from modelyard.serving.engines.onnx.tokens import EncodedText
from modelyard.serving.errors import ServingError


@dataclass(slots=True, eq=False)
class EncodeRequest:
    """One request's texts and result rows; changed on its event loop only."""

    texts: Sequence[EncodedText]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    rows: list[Any] = field(init=False)
    left: int = field(init=False)
    whole: asyncio.Future[list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [None] * len(self.texts)
        self.left = len(self.texts)
        self.whole = self.loop.create_future()

    def take(self, index: int, row: Any) -> None:
        self.rows[index] = row
        self.left -= 1
        if not self.left and not self.whole.done():
            self.whole.set_result(self.rows)

    def fail(self, error: ServingError) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class EncodeJob:
    """One text of a request; `turn` is its position in the queue."""

    reading: EncodeRequest
    index: int
    turn: int
    since: float

    @property
    def text(self) -> EncodedText:
        return self.reading.texts[self.index]


@dataclass(slots=True)
class Backlog:
    """A thread-safe queue: the event loop adds texts, lanes take them."""

    policy: BatchingPolicy
    lanes: int
    closed: bool = False
    _waiting: list[EncodeJob] = field(default_factory=list[EncodeJob])
    _turn: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, reading: EncodeRequest) -> None:
        """Queue a request's texts, one per turn, the first in the current turn."""
        now = time.monotonic()
        with self._changed:
            for index in range(len(reading.texts)):
                job = EncodeJob(reading, index, self._turn + index, now)
                insort(self._waiting, job, key=lambda waiting: waiting.turn)
            self._changed.notify(len(reading.texts))

    def drop(self, reading: EncodeRequest) -> None:
        """Remove a request's texts that no lane has started."""
        with self._changed:
            self._waiting = [job for job in self._waiting if job.reading is not reading]

    def take(self) -> list[EncodeJob]:
        """Wait for the next batch; empty once closed."""
        with self._changed:
            while not self.closed:
                patience = self._patience()
                if patience is not None and patience <= 0:
                    return self._next()
                self._changed.wait(patience)
            return []

    def close(self) -> list[EncodeJob]:
        """Wake all lanes so that they end; returns the jobs left waiting."""
        with self._changed:
            self.closed, left, self._waiting = True, self._waiting, []
            self._changed.notify_all()
            return left

    def _patience(self) -> float | None:
        """Seconds to wait for more texts to batch; None if none are waiting."""
        if not self._waiting:
            return None
        if not self.policy.wait_s or len(self._waiting) >= self.policy.most_texts:
            return 0.0
        return self._waiting[0].since + self.policy.wait_s - time.monotonic()

    def _next(self) -> list[EncodeJob]:
        """The next batch, limited to one lane's share, so that idle lanes get theirs."""
        share = -(-len(self._waiting) // self.lanes)
        lengths = [len(job.text) for job in self._waiting[:64]]
        chosen = self.policy.choose(lengths, share)
        self._turn = max(self._turn, self._waiting[0].turn)
        jobs = [self._waiting[index] for index in chosen]
        for index in sorted(chosen, reverse=True):
            del self._waiting[index]
        return jobs
