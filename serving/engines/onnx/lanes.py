"""Worker threads that each take a batch, run it, and deliver the rows."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.engines.measures import Measures
from modelyard.serving.engines.onnx.backlog import Backlog, EncodeJob, EncodeRequest
from modelyard.serving.engines.onnx.tokens import EncodedText
from modelyard.serving.errors import EngineFailed, ServingError, TakesTooMuchMemory

_NO_MEMORY = ("Failed to allocate memory", "bad allocation", "bad_alloc")

Run = Callable[[Sequence[EncodedText]], list[Any]]
"""Maps a batch of texts to one row each."""


@dataclass(slots=True)
class Lanes:
    """Starts the backlog's number of lanes; `tokens` counts the tokens they have read."""

    run: Run
    backlog: Backlog
    measures: Measures = field(default_factory=Measures)
    tokens: int = 0
    seconds: float = 0.0
    active: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def __post_init__(self) -> None:
        for number in range(self.backlog.lanes):
            thread = threading.Thread(target=self._work, name=f"lane-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Stop after the current runs; waiting texts get an error."""
        for job in self.backlog.close():
            _tell(job.reading, EngineFailed("The engine stopped before the answer was complete."))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while jobs := self.backlog.take():
            with self._lock:
                self.active += len(jobs)
            self._do(jobs)

    def _do(self, jobs: list[EncodeJob]) -> None:
        begun = time.perf_counter()
        try:
            rows = self.run([job.text for job in jobs])
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no common ancestor
            self._failed(jobs, error)
            return
        self._done(jobs, time.perf_counter() - begun)
        by_loop = jobs[0].reading.loop
        by_loop.call_soon_threadsafe(_hand_over, jobs, rows)

    def _done(self, jobs: list[EncodeJob], seconds: float) -> None:
        tokens = sum(len(job.text) for job in jobs)
        with self._lock:
            self.active -= len(jobs)
            self.seconds += seconds
            self.tokens += tokens
            self.measures.step(tokens, len(jobs), seconds)

    def _failed(self, jobs: list[EncodeJob], error: Exception) -> None:
        """Rerun a failed batch text by text, so that only the text at fault gets the error."""
        if len(jobs) > 1:
            for job in jobs:
                self._do([job])
            return
        with self._lock:
            self.active -= 1
        _tell(jobs[0].reading, error if isinstance(error, ServingError) else _named(error))


def _named(error: Exception) -> ServingError:
    """The error of a run that failed for one text alone."""
    reason = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or any(sign in reason for sign in _NO_MEMORY):
        return TakesTooMuchMemory(
            "'input' has a text for which the model asks for more memory than it may have.",
            param="input",
            fix="Send a shorter text. If short ones fail too, the model's file may mean harm.",
        )
    return EngineFailed(f"ONNX Runtime failed: {reason[:300]}")


def _hand_over(jobs: list[EncodeJob], rows: list[Any]) -> None:
    for job, row in zip(jobs, rows, strict=True):
        job.reading.take(job.index, row)


def _tell(reading: EncodeRequest, error: ServingError) -> None:
    reading.loop.call_soon_threadsafe(reading.fail, error)
