"""Removes a user for good, with keys and quota; usage stays under the user's id."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.registry.catalog.tables import ModelRow
from modelyard.registry.database import Database
from modelyard.registry.errors import NotPermitted, StillInUse, UnknownUser
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.tables import UserRow


def remove_user(database: Database, name: str) -> None:
    """Raises UnknownUser, NotPermitted for the last admin, StillInUse for owners of models."""
    with database.begin() as session:
        row = session.scalar(select(UserRow).where(UserRow.name == name))
        if row is None:
            raise UnknownUser(
                f"There is no user '{name[:100]}'.", fix="See `modelyard users list`."
            )
        _check_not_last(session, row)
        owned = select(ModelRow.name).where(ModelRow.owner_id == row.id).order_by(ModelRow.name)
        if models := [*session.scalars(owned)]:
            raise StillInUse(
                f"{name} owns models: {', '.join(models[:10])}.",
                fix="Remove them first with `modelyard models remove`, or use `users disable`.",
            )
        session.delete(row)


def _check_not_last(session: Session, row: UserRow) -> None:
    """Somebody has to be left who can let others in."""
    admins = select(func.count()).where(
        UserRow.role == Role.ADMIN, UserRow.disabled_at.is_(None), UserRow.id != row.id
    )
    if row.role == Role.ADMIN and not session.scalar(admins):
        raise NotPermitted(
            f"{row.name} is the last admin.",
            fix="Make another one first: `modelyard users add NAME --role admin`.",
        )
