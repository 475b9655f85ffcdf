"""The progress of lifecycle runs, including runs whose process died."""

import builtins
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, or_, select, true, update
from sqlalchemy.orm import Session

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.catalog.plain_text import plain_line
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import UnknownRun
from modelyard.registry.identity.caller import Caller
from modelyard.registry.notices.publishing import publish
from modelyard.registry.runs.messages import shown
from modelyard.registry.runs.notices import run_notice
from modelyard.registry.runs.recorder import BEAT_EVERY_S, RunRecorder
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow

SILENT_AFTER = timedelta(seconds=60)
GIVEN_UP_AFTER = timedelta(hours=1)
"""A run that was silent for so long never goes on: a machine that slept wakes up earlier."""


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
            row.subject = plain_line(subject, 300)
            row.state = RunState.RUNNING
            row.message = ""
            row.updated_at = now
            session.add(row)
            session.flush()
            publish(session, [run_notice(row)])
        return RunRecorder(self.db, row.id, self.beat_s)

    def refuse(
        self,
        flow: str,
        subject: str,
        reason: str,
        *,
        visibility: Visibility = Visibility.PRIVATE,
        owner_id: str | None = None,
    ) -> None:
        """Show an order that was refused before anything was done for it, as `start` does."""
        with self.start(flow, subject, visibility=visibility, owner_id=owner_id) as run:
            run.step("refused")
            run.finish(RunState.FAILED, reason)

    def end(self, prefect_run_id: str, state: RunState, message: str) -> None:
        """End a run from outside its process; one that is completed or cancelled stays so."""
        final = RunState.COMPLETED, RunState.CANCELLED
        mine = RunRow.prefect_run_id == prefect_run_id, RunRow.state.not_in(final)
        if state is not RunState.CANCELLED:  # how a run ended by itself says more
            mine = *mine, RunRow.state == RunState.RUNNING
        with self.db.begin() as session:
            ended = update(RunRow).where(*mine)
            ended = ended.values(state=state, message=shown(message), updated_at=utc_now())
            _tell(session, ended)

    def silent(self) -> builtins.list[RunView]:
        """The runs that have been silent for an hour and are not ended."""
        with self.db.read() as session:
            return [_view(row) for row in session.scalars(select(RunRow).where(*_silent()))]

    def end_silent(self, message: str) -> int:
        """End the runs that have been silent for an hour as interrupted; returns how many."""
        with self.db.begin() as session:
            ended = update(RunRow).where(*_silent()).values(
                state=RunState.INTERRUPTED, message=message, updated_at=RunRow.updated_at
            )  # fmt: skip
            return _tell(session, ended)

    def list(self, limit: int = 50, caller: Caller | None = None) -> list[RunView]:
        """The latest runs that the caller may see, newest first; all if None."""
        newest_first = (RunRow.started_at.desc(), RunRow.id)
        latest = select(RunRow).where(_visible(caller)).order_by(*newest_first).limit(limit)
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

    def of_prefect(self, prefect_run_id: str) -> RunView | None:
        """The run that Prefect knows by this id; None where it has not begun."""
        mine = select(RunRow).where(RunRow.prefect_run_id == prefect_run_id)
        with self.db.read() as session:
            row = session.scalar(mine)
            return _view(row) if row else None

    def get(self, run_id: str) -> RunView | None:
        with self.db.read() as session:
            row = session.get(RunRow, run_id)
            return _view(row) if row else None


def _tell(session: Session, ended: Update) -> int:
    """End runs and tell of it; returns how many there were."""
    rows = session.scalars(ended.returning(RunRow)).all()
    publish(session, [run_notice(row) for row in rows])
    return len(rows)


def _silent() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RunRow.state == RunState.RUNNING, RunRow.updated_at < utc_now() - GIVEN_UP_AFTER


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
