"""States of devices as all gateways agree on them; each change is told once."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.tables import DeviceStateRow
from modelyard.registry.notices.notice import NoticeDraft
from modelyard.registry.notices.publishing import publish

StateKey = tuple[str, str]
"""A device's id and the name of what is known of it."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a gateway sees: `before` is what is in the table (None: nothing), None `after`: gone."""

    device_id: str
    name: str
    before: str | None
    after: str | None
    notice: NoticeDraft | None


@dataclass(frozen=True, slots=True)
class DeviceStates:
    """The table of states.

    Every gateway looks at the fleet. Whoever moves a row from `before` to `after` tells of it, in
    the same transaction; for all others the row is not at `before` any more.
    """

    db: Database

    def all(self) -> dict[StateKey, str]:
        with self.db.read() as session:
            rows = session.execute(
                select(DeviceStateRow.device_id, DeviceStateRow.name, DeviceStateRow.value)
            )
            return {(device_id, name): value for device_id, name, value in rows}

    def change(self, changes: Sequence[StateChange]) -> int:
        """Carry out those that nobody else has; returns how many."""
        return sum(self._change(one) for one in changes)

    def _change(self, change: StateChange) -> bool:
        try:
            with self.db.begin() as session:
                is_mine = _carry_out(session, change)
                if is_mine and change.notice is not None:
                    publish(session, [change.notice])
                return is_mine
        except IntegrityError:  # another gateway has entered it first
            return False


def _carry_out(session: Session, change: StateChange) -> bool:
    if change.before is None:
        return _enter(session, change)
    return _remove(session, change) if change.after is None else _move(session, change)


def _enter(session: Session, change: StateChange) -> bool:
    values = {"value": change.after, "since": utc_now()}
    session.add(DeviceStateRow(device_id=change.device_id, name=change.name, **values))
    session.flush()
    return True


def _move(session: Session, change: StateChange) -> bool:
    mine = update(DeviceStateRow).where(_at(change)).values(value=change.after, since=utc_now())
    return session.scalar(mine.returning(DeviceStateRow.name)) is not None


def _remove(session: Session, change: StateChange) -> bool:
    mine = delete(DeviceStateRow).where(_at(change)).returning(DeviceStateRow.name)
    return session.scalar(mine) is not None


def _at(change: StateChange) -> ColumnElement[bool]:
    return and_(
        DeviceStateRow.device_id == change.device_id,
        DeviceStateRow.name == change.name,
        DeviceStateRow.value == change.before,
    )
