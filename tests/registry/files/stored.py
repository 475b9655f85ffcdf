"""Files as rows, for tests that need no bytes."""

from datetime import timedelta

from modelyard.registry.database import Database, utc_now
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.user_file import FilePurpose, UserFile, new_file_id

ROOM = FileRoom(10**9)


def file_of(user_id: str, **facts: object) -> UserFile:
    """A file of ten bytes, uploaded now."""
    usual = {
        "id": new_file_id(),
        "user_id": user_id,
        "purpose": FilePurpose.BATCH,
        "name": "lines.jsonl",
        "size": 10,
        "sha256": "0" * 64,
        "created_at": utc_now(),
        "expires_at": None,
    }
    return UserFile(**usual | facts)  # type: ignore[arg-type]


def added(db: Database, user_id: str, **facts: object) -> UserFile:
    file = file_of(user_id, **facts)
    FileBook(db).add(file, ROOM)
    return file


def earlier(seconds: float) -> dict[str, object]:
    return {"created_at": utc_now() - timedelta(seconds=seconds)}
