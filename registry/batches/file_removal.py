"""Removes users' files: those that are deleted, and those whose time is over."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import BATCH_ENDS
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import Database
from modelyard.registry.errors import StillInUse
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.files.tables import UserFileRow
from modelyard.registry.files.user_file import unknown_file

AT_ONCE = 100

_IS_LIVE = BatchRow.status.not_in(BATCH_ENDS)
_IS_USED = exists().where(BatchRow.input_file_id == UserFileRow.id, _IS_LIVE)


@dataclass(frozen=True, slots=True)
class FileRemoval:
    """Takes a file's row first, then its bytes: a file that is shown can be read."""

    db: Database
    files: FileStore

    def remove(self, file_id: str, user_id: str) -> None:
        """Raises UnknownFile, or StillInUse while a batch is made of it or yet to end."""
        with self.db.begin() as session:
            row = session.get(UserFileRow, file_id, with_for_update=True)
            if row is None or row.user_id != user_id:
                raise unknown_file(file_id)
            if used_by := _user_of(session, file_id):
                raise StillInUse(
                    f"The file '{file_id}' is the input of the batch '{used_by}'.",
                    fix="Wait until the batch has ended, or cancel it.",
                )
            session.delete(row)
        self.files.drop(file_id)

    def remove_expired(self, now: datetime) -> int:
        """Remove up to AT_ONCE files whose time is over and no batch needs; returns how many."""
        over = and_(UserFileRow.expires_at <= now, ~_IS_USED)
        with self.db.begin() as session:
            query = select(UserFileRow).where(over).limit(AT_ONCE)
            rows = [*session.scalars(query.with_for_update(skip_locked=True))]
            for row in rows:
                session.delete(row)
        for row in rows:
            self.files.drop(row.id)
        return len(rows)


def _user_of(session: Session, file_id: str) -> str | None:
    return session.scalar(
        select(BatchRow.id).where(BatchRow.input_file_id == file_id, _IS_LIVE).limit(1)
    )
