"""/v1/files: files as OpenAI's clients read them."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from modelyard.registry.files.user_file import UserFile


MOST_FILE_BYTES = 200_000_000
"""Bytes in the largest file that may be uploaded, as OpenAI has it."""


class FileQuery(BaseModel):
    """Which files: those `after` the one of that id, of one purpose or all, by their time."""

    after: Annotated[str, Field(max_length=50)] | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: Annotated[str, Field(max_length=50)] | None = None


class FileObject(msgspec.Struct, frozen=True):
    """A file; `bytes` is its size, times are in seconds since 1970."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int | None = None
    object: Literal["file"] = "file"
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, file: "UserFile") -> Self:
        return cls(
            id=file.id,
            bytes=file.size,
            created_at=int(file.created_at.timestamp()),
            filename=file.name,
            purpose=file.purpose.value,
            expires_at=int(file.expires_at.timestamp()) if file.expires_at else None,
        )


class FileList(msgspec.Struct, frozen=True):
    """A page of files; the next one begins `after` the last id, if there is more."""

    data: list[FileObject]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"

    @classmethod
    def of(cls, files: "list[UserFile]", most: int) -> Self:
        """A page of `most` files, of which one more was asked for."""
        page = [FileObject.of(file) for file in files[:most]]
        first = page[0].id if page else None
        last = page[-1].id if page else None
        return cls(page, len(files) > most, first, last)


class DeletedFile(msgspec.Struct, frozen=True):
    """The file is gone."""

    id: str
    deleted: bool = True
    object: Literal["file"] = "file"
