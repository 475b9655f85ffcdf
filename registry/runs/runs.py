"""The progress of lifecycle runs, including runs whose process died."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import UnknownRun
from modelyard.registry.runs.recorder import BEAT_EVERY_S, RunRecorder, RunState
from modelyard.registry.runs.tables import RunRow

SILENT_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as lists show it; `done` and `total` count `unit`s within `step`."""

    id: str
    flow: str
    subject: str
    state: RunState
    step: str
    done: int
    total: int
    unit: str
    message: str
    prefect_run_id: str | None
    started_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RunBoard:
    """The run board: starts and lists runs, each with a heartbeat every `beat_s` seconds."""

    db: Database
    beat_s: float = BEAT_EVERY_S

    def start(self, flow: str, subject: str, prefect_run_id: str | None = None) -> RunRecorder:
        """Start a run on the board, or restart its entry if Prefect starts the same run again."""
        now = utc_now()
        with self.db.begin() as session:
            row = session.scalar(
                select(RunRow).where(
                    RunRow.prefect_run_id == prefect_run_id, RunRow.prefect_run_id.is_not(None)
                )
            ) or RunRow(prefect_run_id=prefect_run_id, started_at=now)
            row.flow = flow
            row.subject = subject[:300]
            row.state = RunState.RUNNING
            row.message = ""
            row.updated_at = now
            session.add(row)
        return RunRecorder(self.db, row.id, self.beat_s)

    def list(self, limit: int = 50) -> list[RunView]:
        """The latest runs, newest first."""
        latest = select(RunRow).order_by(RunRow.started_at.desc(), RunRow.id).limit(limit)
        with self.db.read() as session:
            return [_view(row) for row in session.scalars(latest)]

    def named(self, wanted: str) -> RunView:
        """The run whose id begins so; raises UnknownRun where none or several do."""
        query = select(RunRow).where(RunRow.id.startswith(wanted, autoescape=True)).limit(2)
        with self.db.read() as session:
            found = [_view(row) for row in session.scalars(query)]
        if wanted and len(found) == 1:
            return found[0]
        problem = "Several runs begin with" if wanted and found else "There is no run"
        raise UnknownRun(
            f"{problem} '{wanted[:40]}'.", fix="`modelyard runs list --json` has the whole ids."
        )

    def get(self, run_id: str) -> RunView | None:
        with self.db.read() as session:
            row = session.get(RunRow, run_id)
            return _view(row) if row else None


def _view(row: RunRow) -> RunView:
    state = RunState(row.state)
    if state is RunState.RUNNING and utc_now() - row.updated_at > SILENT_AFTER:
        state = RunState.INTERRUPTED
    return RunView(
        id=row.id,
        flow=row.flow,
        subject=row.subject,
        state=state,
        step=row.step,
        done=row.done,
        total=row.total,
        unit=row.unit,
        message=row.message,
        prefect_run_id=row.prefect_run_id,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )
