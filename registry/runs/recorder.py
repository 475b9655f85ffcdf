"""One run's pen: steps and progress, written seldom, and a sign of life while it works."""

import threading
import time
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.database import Database, utc_now
from modelyard.registry.runs.tables import RunRow


class RunState(StrEnum):
    """Where a lifecycle run stands; INTERRUPTED is RUNNING without a sign of life."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


WRITE_EVERY_S = 0.5
BEAT_EVERY_S = 15.0


class RunRecorder:
    """A run on the board; as a context it ends as failed where nobody ended it.

    It gives a sign of life every `beat_s` seconds.
    """

    def __init__(self, db: Database, run_id: str, beat_s: float = BEAT_EVERY_S) -> None:
        self.id = run_id
        self._db = db
        self._beat_s = beat_s
        self._written_at = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name=f"run-{run_id}", daemon=True).start()

    def step(self, name: str, total: int = 0, unit: str = "") -> None:
        """Begin a step of `total` units; 0 where nobody knows how many there are."""
        self._write(step=name, done=0, total=total, unit=unit)

    def advance(self, done: int) -> None:
        """So many units of the step are done; written at most twice a second."""
        if time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self._write(done=done)

    def finish(self, state: RunState, message: str = "") -> None:
        """End the run; a completed one shows its last step as done."""
        self._ended.set()
        done = {"done": RunRow.total} if state is RunState.COMPLETED else {}
        self._write(state=state, message=message[:2000], **done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended.is_set():
            cancelled = error is not None and not isinstance(error, Exception)
            state = RunState.FAILED if kind else RunState.COMPLETED
            self.finish(RunState.CANCELLED if cancelled else state, str(error or ""))

    def _write(self, **values: Any) -> None:
        self._written_at = time.monotonic()
        mine = update(RunRow).where(RunRow.id == self.id)
        with self._db.begin() as session:
            session.execute(mine.values(updated_at=utc_now(), **values))

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_s):
            with suppress(SQLAlchemyError):  # the next beat tries again; silence is what shows
                self._write()
