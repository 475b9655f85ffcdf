"""Records one run's steps and progress, at a limited rate, with heartbeats while it works."""

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.database import Database, utc_now
from modelyard.registry.notices.publishing import publish
from modelyard.registry.runs.messages import shown
from modelyard.registry.runs.notices import run_notice
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow

WRITE_EVERY_S = 0.5
BEAT_EVERY_S = 15.0


class RunRecorder:
    """A run on the board; used as a context manager, it ends the run if nothing else has.

    It sends a heartbeat every `beat_s` seconds.
    """

    def __init__(self, db: Database, run_id: str, beat_s: float = BEAT_EVERY_S) -> None:
        self.id = run_id
        self._db = db
        self._beat_s = beat_s
        self._written_at = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._beat_on, name=f"run-{run_id}", daemon=True).start()

    def step(self, name: str, total: int = 0, unit: str = "") -> None:
        """Begin a step of `total` units; 0 if the number is unknown."""
        self._write(step=name, done=0, total=total, unit=unit)

    def advance(self, done: int) -> None:
        """Set how many units of the step are done; written at most twice a second."""
        if time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self._write(done=done)

    def beat(self) -> None:
        """Say that the run goes on."""
        self._write()

    def finish(self, state: RunState, message: str = "") -> None:
        """End the run; a completed run shows its last step as done."""
        self._ended.set()
        done = {"done": RunRow.total} if state is RunState.COMPLETED else {}
        self._write(state=state, message=shown(message), **done)

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
        """Write the values and tell of them; without any it is a heartbeat, which is no news."""
        self._written_at = time.monotonic()
        mine = update(RunRow).where(RunRow.id == self.id)
        written = mine.values(updated_at=utc_now(), **values).returning(RunRow)
        with self._db.begin() as session:
            rows = session.scalars(written).all()
            if values:
                publish(session, [run_notice(row) for row in rows])

    def _beat_on(self) -> None:
        while not self._ended.wait(self._beat_s):
            with suppress(SQLAlchemyError):  # the next beat tries again; only lasting silence shows
                self.beat()
