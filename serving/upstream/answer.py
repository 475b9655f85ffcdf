"""Buffers one HTTP answer between the connection that receives it and its reader."""

import asyncio
from typing import Protocol

from modelyard.serving.upstream.response import EngineGone, NoHttpAnswer

MOST_BUFFERED = 256 * 1024
"""Bytes buffered for the reader; above this, reading from the engine pauses."""

MOST_WHOLE = 256 * 1024 * 1024
"""The largest answer in bytes that `read` accepts."""


class FlowControl(Protocol):
    """The connection that an answer arrives on."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class HttpAnswer:
    """Implements `modelyard.serving.upstream.response.Response` for one reader at a time."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_done",
        "_line",
        "_waiter",
        "content_type",
        "error",
        "in_hand",
        "is_http",
        "status",
    )

    def __init__(self, line: FlowControl) -> None:
        self.status = 0
        self.content_type = b"application/json"
        self.error: str | None = None
        self.in_hand = False
        self.is_http = True
        self._line = line
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._done = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_over(self) -> bool:
        self._check()
        return self._done

    async def head(self) -> None:
        """Wait until status and content type are known; raises EngineGone.

        Cancellation closes the answer, since no reader has it yet.
        """
        try:
            while not self.status:
                await self._news()
        except asyncio.CancelledError:
            self.close()
            raise

    async def next(self) -> bytes:
        chunks = self._chunks
        while not chunks:
            if self._done and self.error is None:
                return b""
            await self._news()
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._buffered > MOST_BUFFERED and not self._done:
            self._line.resume()
        self._buffered = 0
        return taken

    async def read(self, most: int = MOST_WHOLE) -> bytes:
        if self._done and len(self._chunks) == 1 and self.error is None:
            return self._chunks.pop()
        parts = list[bytes]()
        size = 0
        while part := await self.next():
            parts.append(part)
            size += len(part)
            if size > most:
                self.close()
                raise EngineGone(f"it answered with more than {most} bytes")
        return b"".join(parts)

    def close(self) -> None:
        if not self._done:
            self.end("its reader left")
            self._line.abort()

    def came(self, chunk: bytes) -> None:
        """Add a part of the body; pauses the connection above MOST_BUFFERED bytes."""
        self._chunks.append(chunk)
        before, self._buffered = self._buffered, self._buffered + len(chunk)
        if before <= MOST_BUFFERED < self._buffered:
            self._line.pause()

    def end(self, error: str | None = None, *, in_hand: bool = False) -> None:
        """Mark as complete, or as failed with `error`; `in_hand`: the engine broke it off."""
        self._done = True
        self.error = error
        self.in_hand = in_hand
        self.wake()

    def is_none(self, why: str) -> None:
        """Mark as failed: what the engine sent is no answer in HTTP."""
        self.is_http = False
        self.end(why)

    def wake(self) -> None:
        """Wake the reader."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _news(self) -> asyncio.Future[None]:
        """A future that is done at the next `wake`; raises EngineGone after an error."""
        self._check()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _check(self) -> None:
        if self.error is not None:
            kind = EngineGone if self.is_http else NoHttpAnswer
            raise kind(self.error, in_hand=self.in_hand)
