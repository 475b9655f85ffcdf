"""Times out and takes back what nobody looks after, and forgets what ended long ago."""

import time
from dataclasses import dataclass
from datetime import timedelta

from modelyard.registry import marks
from modelyard.registry.database import Database
from modelyard.registry.jobs.forgetting import AT_ONCE, forget
from modelyard.registry.jobs.queue import JobQueue

SWEEP_S = 1
FORGET_S = 3600
"""Seconds between two that do it, whichever process does."""

SWEPT = "jobs_swept"
FORGOTTEN = "jobs_forgotten"
"""Marks of when it was done last (Unix time, in steps of these seconds)."""


@dataclass(frozen=True, slots=True)
class QueueUpkeep:
    """Every process that takes jobs tries; whoever moves a mark first does the work."""

    db: Database
    queue: JobQueue
    kept_days: float

    def look(self) -> None:
        """Do what is due, where no other process has."""
        if self._is_mine(SWEPT, SWEEP_S):
            while not self.queue.sweep().is_whole:
                pass
        if self._is_mine(FORGOTTEN, FORGET_S):
            while forget(self.db, timedelta(days=self.kept_days)) == AT_ONCE:
                pass

    def _is_mine(self, mark: str, step_s: int) -> bool:
        with self.db.begin() as session:
            return marks.raise_to(session, mark, int(time.time()) // step_s)
