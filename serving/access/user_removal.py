"""Removes a user for good, with all that is the user's; usage stays under the user's id."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.registry.batches.entering import Batches
from modelyard.registry.batches.leaving import end_batches
from modelyard.registry.callbacks.leaving import forget_user
from modelyard.registry.catalog.tables import ModelRow
from modelyard.registry.database import utc_now
from modelyard.registry.errors import StillInUse
from modelyard.registry.files.file_book import remove_of_user
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.identity.identity import Identity, user_named
from modelyard.registry.identity.tables import UserRow
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.notices.publishing import publish


@dataclass(frozen=True, slots=True)
class UserRemoval:
    """Shuts a user out, ends what goes on for it, and only then removes it.

    What a killed process leaves is a user who is disabled: removed again, it is gone.
    """

    identity: Identity
    queue: JobQueue
    batches: Batches
    stored: FileStore

    def remove(self, name: str) -> None:
        """Raises UnknownUser, LastAdmin, or StillInUse for owners of models: nothing has changed.

        Keys, quota, files, signing secrets, addresses and callbacks that wait go; jobs and batches
        end as cancelled. What has ended is kept as long as everybody's.
        """
        user_id = self._shut_out(name)
        self.batches.stop(user_id)
        self.queue.cancel_of_user(user_id)
        for file_id in self._erase(name):
            self.stored.drop(file_id)

    def _shut_out(self, name: str) -> str:
        """From here on nothing new can come in; gives the user's id."""
        with self.identity.keeping_an_admin() as session:
            row = user_named(session, name)
            _check_owns_nothing(session, row)
            row.disabled_at = row.disabled_at or utc_now()
            row.sessions_valid_from = utc_now()
            return row.id

    def _erase(self, name: str) -> list[str]:
        """Remove the user and what is the user's at once; gives the ids of its files."""
        with self.identity.keeping_an_admin() as session:
            row = user_named(session, name)
            session.refresh(row, with_for_update=True)  # before its files, as whoever uses them
            _check_owns_nothing(session, row)
            told = end_batches(session, row.id)
            forget_user(session, row.id)
            files = remove_of_user(session, row.id)
            session.delete(row)
            session.flush()
            publish(session, told)
        return files


def _check_owns_nothing(session: Session, row: UserRow) -> None:
    owned = select(ModelRow.name).where(ModelRow.owner_id == row.id).order_by(ModelRow.name)
    if models := [*session.scalars(owned)]:
        raise StillInUse(
            f"{row.name} owns models: {', '.join(models[:10])}.",
            fix="Remove them first with `modelyard models remove`, or use `users disable`.",
        )
