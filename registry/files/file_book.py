"""The table of users' files: who has which, and how much may be kept."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, literal, select, tuple_
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, UtcDateTime
from modelyard.registry.files.tables import UserFileRow
from modelyard.registry.files.user_file import FilePurpose, FilesFull, UserFile, unknown_file
from modelyard.registry.identity.tables import UserRow
from modelyard.registry.sizes import size_text


@dataclass(frozen=True, slots=True)
class FileRoom:
    """How many files, and how many bytes of them, a user may keep."""

    most_bytes: int
    most_files: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFilter:
    """Which of a user's files are listed: those after the one of the id `after`, `most` of them."""

    purpose: str | None = None
    after: str | None = None
    most: int = 100
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class FileBook:
    """The table of files; another user's file is answered as one that is not there."""

    db: Database

    def add(self, file: UserFile, room: FileRoom) -> None:
        """Enter a file whose bytes are stored and pinned; raises FilesFull."""
        with self.db.begin() as session:
            _lock_user(session, file.user_id)
            check_room(_kept(session, file.user_id), file.size, room)
            enter(session, [file])

    def check(self, user_id: str, size: int, room: FileRoom) -> None:
        """Raise FilesFull if `size` more bytes of one file are too much."""
        with self.db.read() as session:
            kept = _kept(session, user_id)
        check_room(kept, size, room)

    def get(self, file_id: str, user_id: str) -> UserFile:
        """A file of this user; raises UnknownFile."""
        with self.db.read() as session:
            row = session.get(UserFileRow, file_id)
            if row is None or row.user_id != user_id:
                raise unknown_file(file_id)
            return file_of(row)

    def list(self, user_id: str, asked: FileFilter) -> list[UserFile]:
        """A page of a user's files by their time; raises UnknownFile where `after` is none."""
        key = tuple_(UserFileRow.created_at, UserFileRow.id)
        where: list[ColumnElement[bool]] = [UserFileRow.user_id == user_id]
        if asked.purpose is not None:
            where.append(UserFileRow.purpose == asked.purpose)
        if asked.after is not None:
            last = self.get(asked.after, user_id)
            at = tuple_(literal(last.created_at, UtcDateTime), literal(last.id))
            where.append(key < at if asked.newest_first else key > at)
        columns = (UserFileRow.created_at, UserFileRow.id)
        order = [c.desc() if asked.newest_first else c.asc() for c in columns]
        query = select(UserFileRow).where(*where).order_by(*order).limit(asked.most)
        with self.db.read() as session:
            return [file_of(row) for row in session.scalars(query)]

    def ids(self) -> set[str]:
        """The ids of everybody's files."""
        with self.db.read() as session:
            return set(session.scalars(select(UserFileRow.id)))


def enter(session: Session, files: Collection[UserFile]) -> None:
    """Write rows in the caller's transaction, without asking whether there is room."""
    session.add_all(
        UserFileRow(
            id=file.id,
            user_id=file.user_id,
            purpose=file.purpose,
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            created_at=file.created_at,
            expires_at=file.expires_at,
        )
        for file in files
    )


def remove_of_user(session: Session, user_id: str) -> list[str]:
    """Remove all rows of a user; gives their ids, whose bytes are to be let go after that."""
    mine = delete(UserFileRow).where(UserFileRow.user_id == user_id)
    return [*session.scalars(mine.returning(UserFileRow.id))]


def check_room(kept: tuple[int, int], size: int, room: FileRoom) -> None:
    """Raise FilesFull if to so many files and bytes another file of `size` bytes is too much."""
    files, used = kept
    if files >= room.most_files:
        raise FilesFull(
            f"You keep {files} files, as many as a user may.",
            fix="DELETE /v1/files/{id} those that you need no more.",
        )
    if used + size > room.most_bytes:
        raise FilesFull(
            f"Your files have {size_text(used)}; with this one ({size_text(size)}) they would have "
            f"more than the {size_text(room.most_bytes)} that a user may keep.",
            fix="DELETE /v1/files/{id} those that you need no more; the operator sets the bound "
            "with MODELYARD_USER_FILES_GB.",
        )


def file_of(row: UserFileRow) -> UserFile:
    return UserFile(
        id=row.id,
        user_id=row.user_id,
        purpose=FilePurpose(row.purpose),
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _kept(session: Session, user_id: str) -> tuple[int, int]:
    """How many files the user has, and their bytes."""
    sums = select(func.count(), func.sum(UserFileRow.size)).where(UserFileRow.user_id == user_id)
    files, used = session.execute(sums).one()
    return files, int(used or 0)


def _lock_user(session: Session, user_id: str) -> None:
    """Let files of one user be counted and entered one after the other."""
    session.execute(select(UserRow.id).where(UserRow.id == user_id).with_for_update())
