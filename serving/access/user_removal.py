"""Removes a user for good, with keys and quota; usage stays under the user's id."""

from sqlalchemy import select

from modelyard.registry.catalog.tables import ModelRow
from modelyard.registry.errors import StillInUse
from modelyard.registry.identity.identity import Identity, user_named


def remove_user(identity: Identity, name: str) -> None:
    """Raises UnknownUser, LastAdmin, or StillInUse for owners of models."""
    with identity.keeping_an_admin() as session:
        row = user_named(session, name)
        owned = select(ModelRow.name).where(ModelRow.owner_id == row.id).order_by(ModelRow.name)
        if models := [*session.scalars(owned)]:
            raise StillInUse(
                f"{name} owns models: {', '.join(models[:10])}.",
                fix="Remove them first with `modelyard models remove`, or use `users disable`.",
            )
        session.delete(row)
