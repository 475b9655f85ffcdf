"""Ends the runs whose process was killed: on Prefect, on the board, and what they left behind."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelyard.flows.context import FlowContext
from modelyard.flows.prefect.flow_runs import UNKNOWN, PrefectRuns
from modelyard.flows.prefect.run_orders import CANCELLED
from modelyard.flows.runs.record import RunRecord, records
from modelyard.registry.runs.state import RunState

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED"})
DIED = "Its process ended without a word; the same again continues where it was."

NEVER_BEGAN = "The process that took it ended before it began; `modelyard runs retry` repeats it."
BEGINS_WITHIN = timedelta(minutes=15)
"""From when a runner takes a run until that begins: an image may have to be fetched first."""

KEPT_S = 7 * 24 * 3600.0
"""For so many seconds the record of a run that the server does not know is kept."""


@dataclass(frozen=True, slots=True)
class DeadRuns:
    """Settles dead runs; `undo` removes what a cancelled one began.

    A run that this Prefect server does not know may be another server's: its record stays.
    """

    context: FlowContext
    prefect: PrefectRuns
    undo: Callable[[FlowContext, RunRecord], str]

    def settle(self) -> list[str]:
        """Settle every dead run; returns a sentence for each."""
        dead = [each for each in records(self.context.registry.data_dir) if each.is_dead]
        settled = [self._settle(record) for record in dead]
        settled += [self._end_stuck(run_id) for run_id in self._stuck()]
        self.context.board.end_silent(DIED)
        return [sentence for sentence in settled if sentence]

    def _stuck(self) -> list[str]:
        return self.prefect.stuck(datetime.now(UTC) - BEGINS_WITHIN)

    def _end_stuck(self, run_id: str) -> str:
        self.prefect.crash(run_id, NEVER_BEGAN)
        return f"Run {run_id}: {NEVER_BEGAN}"

    def _settle(self, record: RunRecord) -> str:
        state = self.prefect.state(record.run_id)
        if state in CANCELLED:
            message = self.undo(self.context, record)
            self.prefect.cancel(record.run_id, message)
            return f"Run {record.run_id}: {message}"
        self.context.board.end(record.run_id, RunState.INTERRUPTED, DIED)
        if state == UNKNOWN and not _is_old(record):
            return ""
        if state not in {UNKNOWN, *ENDED}:
            self.prefect.crash(record.run_id, DIED)
        record.forget()
        return f"Run {record.run_id}: {DIED}"


def _is_old(record: RunRecord) -> bool:
    return record.file.exists() and record.file.stat().st_mtime < time.time() - KEPT_S
