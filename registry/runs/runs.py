"""The progress of lifecycle runs, including runs whose process died."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, true

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import Database, utc_now
from modelyard.registry.identity.caller import Caller
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

    def start(
        self,
        flow: str,
        subject: str,
        prefect_run_id: str | None = None,
        *,
        visibility: Visibility = Visibility.PRIVATE,
        owner_id: str | None = None,
    ) -> RunRecorder:
        """Start a run on the board, or restart its entry if Prefect starts the same run again.

        Who may see it is decided at the first start: its owner and admins, or everybody.
        """
        now = utc_now()
        with self.db.begin() as session:
            row = session.scalar(
                select(RunRow).where(
                    RunRow.prefect_run_id == prefect_run_id, RunRow.prefect_run_id.is_not(None)
                )
            ) or RunRow(
                prefect_run_id=prefect_run_id,
                started_at=now,
                visibility=visibility,
                owner_id=owner_id,
            )
            row.flow = flow
            row.subject = subject[:300]
            row.state = RunState.RUNNING
            row.message = ""
            row.updated_at = now
            session.add(row)
        return RunRecorder(self.db, row.id, self.beat_s)

    def list(self, limit: int = 50, caller: Caller | None = None) -> list[RunView]:
        """The latest runs that the caller may see, newest first; all if None."""
        newest_first = (RunRow.started_at.desc(), RunRow.id)
        latest = select(RunRow).where(_visible(caller)).order_by(*newest_first).limit(limit)
        with self.db.read() as session:
            return [_view(row) for row in session.scalars(latest)]

    def get(self, run_id: str) -> RunView | None:
        with self.db.read() as session:
            row = session.get(RunRow, run_id)
            return _view(row) if row else None


def _visible(caller: Caller | None) -> ColumnElement[bool]:
    if caller is None or caller.is_admin:
        return true()
    return or_(RunRow.visibility == Visibility.PUBLIC, RunRow.owner_id == caller.user_id)


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
