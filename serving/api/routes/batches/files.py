"""/v1/files: what users upload for batches, and what batches write for them."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse, StreamingResponse

from modelyard.registry.batches.batch import JobBatch
from modelyard.registry.files.file_book import FileFilter
from modelyard.registry.files.user_file import FilePurpose, UnknownFile, UserFile
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.batches.answers import AnswerKind
from modelyard.serving.batches.services import BatchServices
from modelyard.serving.wire.openai.files import DeletedFile, FileList, FileObject, FileQuery

router = APIRouter(prefix="/v1", tags=["openai"])

LINES = "application/jsonl"
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": [FilePurpose.BATCH.value]},
                    },
                }
            }
        },
    }
}


@router.post("/files", openapi_extra=_FORM)
async def upload(request: Request, services: TheServices, caller: TheCaller) -> Response:
    """Keep a file of up to 200 MB for a batch: a request in JSON on each line."""
    headers = request.headers
    announced = headers.get("content-length", "")
    file = await services.batches.intake.receive(
        caller.user_id,
        headers.get("content-type", ""),
        int(announced) if announced.isdecimal() else 0,
        request.stream(),
    )
    return _json(FileObject.of(file))


@router.get("/files")
async def list_files(
    asked: Annotated[FileQuery, Query()], services: TheServices, caller: TheCaller
) -> Response:
    """The caller's files."""
    wanted = FileFilter(
        purpose=asked.purpose,
        after=asked.after,
        most=asked.limit + 1,
        newest_first=asked.order == "desc",
    )
    files = await asyncio.to_thread(services.batches.files.list, caller.user_id, wanted)
    return _json(FileList.of(files, asked.limit))


@router.get("/files/{file_id}")
async def show_file(file_id: str, services: TheServices, caller: TheCaller) -> Response:
    """One file, also one that a batch is still writing: as large as it is now."""
    found = await asyncio.to_thread(_found, services.batches, file_id, caller.user_id)
    if isinstance(found, JobBatch):
        return _json(await asyncio.to_thread(_so_far, services.batches, found, file_id))
    return _json(FileObject.of(found))


@router.get("/files/{file_id}/content")
async def read_file(file_id: str, services: TheServices, caller: TheCaller) -> Response:
    """A file's bytes; of one that a batch is still writing, the lines that are there."""
    batches = services.batches
    found = await asyncio.to_thread(_found, batches, file_id, caller.user_id)
    if isinstance(found, JobBatch):
        return StreamingResponse(_lines(batches, found, file_id), media_type=LINES)
    path = await asyncio.to_thread(batches.stored.path, found)
    return FileResponse(path, media_type=LINES, filename=found.name)


@router.delete("/files/{file_id}")
async def delete_file(file_id: str, services: TheServices, caller: TheCaller) -> Response:
    """Remove a file that no batch needs."""
    await asyncio.to_thread(services.batches.removal.remove, file_id, caller.user_id)
    return _json(DeletedFile(file_id))


def _found(batches: BatchServices, file_id: str, user_id: str) -> UserFile | JobBatch:
    """The file, or the batch that is still writing it; raises UnknownFile."""
    try:
        return batches.files.get(file_id, user_id)
    except UnknownFile:
        batch = batches.book.writing(file_id, user_id)
        if batch is None:
            raise
        return batch


def _so_far(batches: BatchServices, batch: JobBatch, file_id: str) -> FileObject:
    return FileObject(
        id=file_id,
        bytes=sum(map(len, _lines(batches, batch, file_id))),
        created_at=int((batch.in_progress_at or batch.created_at).timestamp()),
        filename=_kind(batch, file_id).name_in(batch),
        purpose=FilePurpose.BATCH_OUTPUT.value,
    )


def _lines(batches: BatchServices, batch: JobBatch, file_id: str) -> Iterator[bytes]:
    return batches.answers.lines(batch, _kind(batch, file_id))


def _kind(batch: JobBatch, file_id: str) -> AnswerKind:
    return AnswerKind.OUTPUT if file_id == batch.output_file_id else AnswerKind.ERRORS


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
