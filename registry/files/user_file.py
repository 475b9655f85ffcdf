"""A user's file, as the database knows it; its bytes are in the store."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from modelyard.registry.errors import ErrorKind, ModelyardError


class FilePurpose(StrEnum):
    """What a file is for: to be made a batch of, or to hold what came of one."""

    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFile:
    """A file of one user; `size` is in bytes, without `expires_at` it is kept for good."""

    id: str
    user_id: str
    purpose: FilePurpose
    name: str
    size: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None


class UnknownFile(ModelyardError):
    """The user has no file of that id."""

    code = "file_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class FilesFull(ModelyardError):
    """The user keeps as many files, or as many bytes of them, as a user may."""

    code = "files_full"
    kind = ErrorKind.FORBIDDEN


def new_file_id() -> str:
    return f"file-{uuid.uuid4().hex}"


def unknown_file(file_id: str) -> UnknownFile:
    return UnknownFile(
        f"There is no file '{file_id[:100]}'.", fix="GET /v1/files lists those that you have."
    )
