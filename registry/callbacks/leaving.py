"""Forgets what callbacks keep of a user who is removed."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import (
    CallbackAddressRow,
    CallbackRow,
    CallbackSecretRow,
)


def forget_user(session: Session, user_id: str) -> None:
    """Secrets, addresses, and callbacks that wait; those that have ended stay their time."""
    session.execute(delete(CallbackSecretRow).where(CallbackSecretRow.user_id == user_id))
    session.execute(delete(CallbackAddressRow).where(CallbackAddressRow.user_id == user_id))
    waiting = CallbackRow.state == CallbackState.WAITING
    session.execute(delete(CallbackRow).where(CallbackRow.user_id == user_id, waiting))
