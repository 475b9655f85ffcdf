"""Ends the runs whose process was killed: on Prefect, on the board, and what they left behind."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.flows.context import FlowContext
from modelyard.flows.prefect.flow_runs import UNKNOWN, PrefectRuns
from modelyard.flows.runs.cancellation import CANCELLED
from modelyard.flows.runs.record import RunRecord, records
from modelyard.registry.runs.state import RunState

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED"})
DIED = "Its process ended without a word; the same again continues where it was."


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
        self.context.board.end_silent(DIED)
        return [sentence for sentence in settled if sentence]

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
