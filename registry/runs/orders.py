"""Orders about lifecycle runs: written down by whoever asks, carried out by the flows' process.

An order outlives both processes. The same order given again while the first one is in force is the
first one: a double click makes one run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, new_id, utc_now
from modelyard.registry.errors import FlowsAway, UnknownOrder
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.messages import shown
from modelyard.registry.runs.runs import RunBoard, RunView
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunOrderRow, RunRow

CANCELLING = timedelta(seconds=60)
"""So long after a cancellation the same one is not asked for again."""

TO_BEGIN = timedelta(minutes=10)
"""So long a run that was started may wait for its first step and still be the one asked for."""

KEPT = timedelta(days=30)


class OrderKind(StrEnum):
    """What is to be done."""

    INGEST = "ingest"
    CANCEL = "cancel"
    RETRY = "retry"
    REMOVE = "remove"


class OrderState(StrEnum):
    """How far an order is; DONE says that its run was started or told, not that it has ended."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """One order; `parameters` are those of its kind, `run` is the run it is about once known."""

    id: str
    kind: OrderKind
    subject: str
    parameters: Mapping[str, Any]
    asked_by: str
    state: OrderState
    message: str
    created_at: datetime
    run: RunView | None = None


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The table of orders."""

    db: Database

    def place(
        self, kind: OrderKind, subject: str, parameters: Mapping[str, Any], by: str
    ) -> RunOrder:
        """Give an order; the one in force where the same was given. Raises FlowsAway."""
        if not FlowProcesses(self.db).is_served():
            raise FlowsAway(
                "No process serves the flows: nothing would be done about it.",
                fix="Start `modelyard up`, or `modelyard flows` where its Prefect server is.",
            )
        key = _key(kind, parameters)
        try:
            order_id = self._placed(key, kind, subject, parameters, by=by)
        except IntegrityError:  # another process has just given the same
            order_id = self._placed(key, kind, subject, parameters, by=by)
        return self.get(order_id)

    def get(self, order_id: str) -> RunOrder:
        """Raises UnknownOrder."""
        with self.db.read() as session:
            row = session.get(RunOrderRow, order_id)
        if row is None:
            raise UnknownOrder(f"There is no order '{order_id[:40]}'.", fix="GET /api/v1/runs")
        run = RunBoard(self.db).of_prefect(row.prefect_run_id) if row.prefect_run_id else None
        return _order(row, run)

    def waiting(self) -> list[RunOrder]:
        """Those that are still to be carried out, the oldest first."""
        wanted = select(RunOrderRow).where(RunOrderRow.state == OrderState.WAITING)
        with self.db.read() as session:
            rows = session.scalars(wanted.order_by(RunOrderRow.created_at, RunOrderRow.id))
            return [_order(row) for row in rows]

    def settle(
        self, order_id: str, state: OrderState, message: str, prefect_run_id: str | None = None
    ) -> None:
        """Write down how it went; the message is kept as it is shown."""
        with self.db.begin() as session:
            row = session.get(RunOrderRow, order_id)
            if row is not None:
                row.state = state
                row.message = shown(message)
                row.prefect_run_id = prefect_run_id
                row.settled_at = utc_now()

    def clear(self) -> None:
        """Forget orders that were settled long ago."""
        with self.db.begin() as session:
            session.execute(delete(RunOrderRow).where(RunOrderRow.settled_at < utc_now() - KEPT))

    def _placed(
        self,
        key: str,
        kind: OrderKind,
        subject: str,
        parameters: Mapping[str, Any],
        *,
        by: str,
    ) -> str:
        with self.db.begin() as session:
            same = select(RunOrderRow).where(RunOrderRow.key == key).with_for_update()
            row = session.scalar(same)
            if row is not None and _is_in_force(session, row):
                return row.id
            if row is not None:
                row.key = None
                session.flush()
            order_id = new_id()
            session.add(
                RunOrderRow(
                    id=order_id,
                    kind=kind,
                    key=key,
                    subject=subject[:300],
                    parameters=dict(parameters),
                    asked_by=by[:100],
                    state=OrderState.WAITING,
                )
            )
            return order_id


def _key(kind: OrderKind, parameters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([kind, parameters], sort_keys=True).encode()).hexdigest()


def _is_in_force(session: Session, row: RunOrderRow) -> bool:
    """Whether an order waits, or the run that it made has not ended."""
    if row.state != OrderState.DONE or row.settled_at is None:
        return row.state == OrderState.WAITING
    if row.prefect_run_id is None:
        return False
    since = utc_now() - row.settled_at
    mine = select(RunRow.state).where(RunRow.prefect_run_id == row.prefect_run_id)
    state = session.scalar(mine)
    if state is None:
        return since < TO_BEGIN
    if row.kind == OrderKind.CANCEL:
        return state == RunState.RUNNING and since < CANCELLING
    return state == RunState.RUNNING


def _order(row: RunOrderRow, run: RunView | None = None) -> RunOrder:
    return RunOrder(
        id=row.id,
        kind=OrderKind(row.kind),
        subject=row.subject,
        parameters=row.parameters,
        asked_by=row.asked_by,
        state=OrderState(row.state),
        message=row.message,
        created_at=row.created_at,
        run=run,
    )
