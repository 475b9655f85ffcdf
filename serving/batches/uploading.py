"""Takes an uploaded file from its connection to the store, a piece at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from modelyard.registry.database import utc_now
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.files.user_file import FilePurpose, UserFile, new_file_id
from modelyard.serving.batches.draft import Draft, drafting
from modelyard.serving.errors import InvalidRequest, RequestTooLarge
from modelyard.serving.wire.openai.files import MOST_FILE_BYTES
from modelyard.serving.wire.openai.upload import UploadForm

PIECE = 1024 * 1024
"""Bytes that are collected before they are written."""

MOST_OF_A_NAME = 255
LIVES_S = range(3600, 2_592_001)
"""Seconds that `expires_after` may ask for, as in OpenAI's API."""


@dataclass(frozen=True, slots=True)
class FileIntake:
    """Lets a user's files in; each is kept for `life` unless its sender asks for less."""

    book: FileBook
    files: FileStore
    room: FileRoom
    life: timedelta
    _arriving: Counter[str] = field(default_factory=Counter[str])

    async def receive(
        self, user_id: str, content_type: str, announced: int, body: AsyncIterable[bytes]
    ) -> UserFile:
        """Read a form to its end and keep its file.

        Raises InvalidRequest, RequestTooLarge, FilesFull, or StorageFull. `announced` are the bytes
        that the body says to have, 0 if it does not say.
        """
        form = UploadForm(content_type)
        async with self._place_for(user_id, announced), self._draft() as draft:
            await _read(form, body, draft)
            stored = await asyncio.to_thread(draft.finish)
            file = UserFile(
                id=new_file_id(),
                user_id=user_id,
                purpose=purpose_of(form.fields),
                name=_plain(form.filename or ""),
                size=stored.size,
                sha256=stored.sha256,
                created_at=(now := utc_now()),
                expires_at=self._end_of(form.fields, now),
            )
            await asyncio.to_thread(self.files.keep, draft.path, stored, file.id)
            await asyncio.to_thread(self._enter, file)
            return file

    def _enter(self, file: UserFile) -> None:
        try:
            self.book.add(file, self.room)
        except BaseException:
            self.files.drop(file.id)
            raise

    @asynccontextmanager
    async def _place_for(self, user_id: str, size: int) -> AsyncGenerator[None]:
        """Count what arrives as kept already: many at once would else be more than may be."""
        expected = self._arriving[user_id] + size
        await asyncio.to_thread(self.book.check, user_id, expected, self.room)
        self._arriving[user_id] += size
        try:
            yield
        finally:
            self._arriving[user_id] -= size
            if self._arriving[user_id] <= 0:
                del self._arriving[user_id]

    @asynccontextmanager
    async def _draft(self) -> AsyncGenerator[Draft]:
        store = await asyncio.to_thread(lambda: self.files.store)
        drafts = drafting(store)
        draft = await asyncio.to_thread(drafts.__enter__)
        try:
            yield draft
        finally:
            await asyncio.to_thread(drafts.__exit__, None, None, None)

    def _end_of(self, fields: dict[str, str], now: datetime) -> datetime:
        asked = fields.get("expires_after[seconds]")
        if asked is None:
            return now + self.life
        if not asked.isdecimal() or len(asked) > 9 or int(asked) not in LIVES_S:
            raise InvalidRequest(
                f"'expires_after[seconds]' is '{asked[:20]}': it must be a whole number from "
                f"{LIVES_S.start} to {LIVES_S.stop - 1}.",
                param="expires_after",
            )
        return now + min(self.life, timedelta(seconds=int(asked)))


def purpose_of(fields: dict[str, str]) -> FilePurpose:
    """What the file is for; raises InvalidRequest for all but batches."""
    purpose = fields.get("purpose")
    if purpose != FilePurpose.BATCH:
        given = "is missing" if purpose is None else f"is '{purpose[:40]}'"
        raise InvalidRequest(
            f"'purpose' {given}: it must be 'batch', the one purpose that files have here.",
            param="purpose",
        )
    return FilePurpose.BATCH


async def _read(form: UploadForm, body: AsyncIterable[bytes], draft: Draft) -> None:
    pieces = bytearray()
    async for data in body:
        pieces += form.feed(data)
        if "purpose" in form.fields:
            purpose_of(form.fields)
        if draft.size + len(pieces) > MOST_FILE_BYTES:
            raise RequestTooLarge(
                f"The file has more than {MOST_FILE_BYTES} bytes.",
                param="file",
                fix="Make several files of it, and a batch of each.",
            )
        if len(pieces) >= PIECE:
            await asyncio.to_thread(draft.write, bytes(pieces))
            pieces.clear()
    form.end()
    await asyncio.to_thread(draft.write, bytes(pieces))
    purpose_of(form.fields)
    if not draft.size:
        raise InvalidRequest("The file is empty.", param="file", fix="Write a request a line.")


def _plain(name: str) -> str:
    """A file's name without characters that steer terminals, or that no database keeps."""
    return "".join(c for c in name if c.isprintable())[:MOST_OF_A_NAME] or "file"
