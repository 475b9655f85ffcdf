"""How much the outbox has left to send, and how many addresses are switched off."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import CallbackAddressRow, CallbackRow
from modelyard.registry.database import Database


@dataclass(frozen=True, slots=True)
class CallbackBacklog:
    """Everybody's: `waiting` for a try now or later, of these `due` now, and addresses off."""

    waiting: int = 0
    due: int = 0
    addresses_off: int = 0


def callback_backlog(db: Database, now: datetime) -> CallbackBacklog:
    """As it is at this moment; one that a process is sending is not due."""
    is_waiting = CallbackRow.state == CallbackState.WAITING
    waiting = select(func.count()).select_from(CallbackRow).where(is_waiting)
    off = select(func.count()).select_from(CallbackAddressRow)
    with db.read() as session:
        return CallbackBacklog(
            waiting=session.scalar(waiting) or 0,
            due=session.scalar(waiting.where(CallbackRow.due_at <= now)) or 0,
            addresses_off=session.scalar(off.where(CallbackAddressRow.disabled_at.is_not(None)))
            or 0,
        )
