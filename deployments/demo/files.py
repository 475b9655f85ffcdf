"""GET and HEAD of one file: its headers, its byte range, and its bytes in a steady stream."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Self
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from modelyard.deployments.demo.access import Access
from modelyard.deployments.demo.faults import NO_FAULT, Fault, Faults
from modelyard.deployments.demo.refusal import Refusal
from modelyard.deployments.demo.repository import CHUNK, Blob

TICKS = 20  # chunks a second when a fault slows the stream
ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes [start, stop) of a file."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @classmethod
    def read(cls, first: str, last: str, size: int) -> Self:
        """A Range header's two numbers, either of them empty, over a file of `size` bytes."""
        if not first:
            return cls(max(0, size - int(last)), size)
        return cls(int(first), min(int(last) + 1, size) if last else size)


def asked(request: Request, blob: Blob) -> ByteRange | None:
    """The one range a request asks for; None for the whole file, which bad forms get too.

    Raises:
        OutOfRange: the range begins beyond the end.
    """
    match = ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    unchanged = request.headers.get("if-range", f'"{blob.etag}"') == f'"{blob.etag}"'
    if not match or not unchanged or match.groups() == ("", ""):
        return None
    span = ByteRange.read(match[1], match[2], blob.size)
    if span.start >= blob.size:
        raise OutOfRange(blob.size)
    return span if span.size > 0 else None


class OutOfRange(Refusal):
    """416: the range begins beyond the file's last byte."""

    def __init__(self, size: int) -> None:
        super().__init__(416, "Requested range not satisfiable")
        self.size = size

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.size}"}


def headers(blob: Blob, commit: str) -> dict[str, str]:
    """What the Hub says of a file. Without `X-Xet-Hash` no client tries the xet protocol."""
    etag = f'"{blob.etag}"'
    linked = {"X-Linked-ETag": etag, "X-Linked-Size": str(blob.size)} if blob.is_lfs else {}
    return linked | {
        "X-Repo-Commit": commit,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(blob.path.name)}",
    }


class FileStream(StreamingResponse):
    """A file's bytes; a fault may leave the answer unfinished, and the server then hangs up."""

    def __init__(self, chunks: AsyncIterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(chunks, status, headers)
        self.promised = int(headers["Content-Length"])

    async def stream_response(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self.promised -= len(chunk)
        if not self.promised:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(frozen=True, slots=True)
class Files:
    """The `resolve` addresses, where clients fetch files."""

    access: Access
    faults: Faults

    @property
    def routes(self) -> list[Route]:
        address = "/{owner}/{name}/resolve/{revision}/{path:path}"
        return [Route(address, self.resolve, methods=["GET", "HEAD"])]

    async def resolve(self, request: Request) -> Response:
        repository = await self.access.open(request)
        path: str = request.path_params["path"]
        blob = repository.files.get(path)
        if blob is None:
            raise Refusal(404, "Entry not found", "EntryNotFound", repository.commit)
        said = headers(blob, repository.commit)
        if request.method == "HEAD":
            return Response(headers=said | {"Content-Length": str(blob.size)})
        fault = self.faults.take(path)
        if fault.status is not None:
            return _refused(fault.status, fault.retry_after)
        return self._send(blob, asked(request, blob), said, fault)

    def _send(
        self, blob: Blob, span: ByteRange | None, said: dict[str, str], fault: Fault
    ) -> Response:
        body = span or ByteRange(0, blob.size)
        if span is not None:
            said |= {"Content-Range": f"bytes {span.start}-{span.stop - 1}/{blob.size}"}
        promised = body.size if fault.truncate_to is None else min(fault.truncate_to, body.size)
        said |= {"Content-Length": str(promised)}
        sent = promised if fault.cut_after is None else min(fault.cut_after, promised)
        chunks = self._chunks(blob, ByteRange(body.start, body.start + sent), fault)
        return FileStream(chunks, 206 if span else 200, said)

    async def _chunks(self, blob: Blob, span: ByteRange, fault: Fault) -> AsyncIterator[bytes]:
        pace = fault.bytes_per_second
        most = CHUNK if pace is None else max(1, pace // TICKS)
        with blob.path.open("rb") as file:
            file.seek(span.start)
            for offset in range(span.start, span.stop, most):
                chunk = await _read(file, min(most, span.stop - offset))
                if pace is not None:
                    await asyncio.sleep(len(chunk) / pace)
                self.faults.file_bytes += len(chunk)
                yield chunk if fault is NO_FAULT else fault.spoil(chunk, offset)


async def _read(file: BinaryIO, size: int) -> bytes:
    """Read in a thread, so that a slow disk holds nobody else up."""
    return await run_in_threadpool(file.read, size)


def _refused(status: int, retry_after: int | None) -> Response:
    wait = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Response("an ordered fault", status, wait)
