"""The gateway's client for engines (on every request) and workers (occasional orders)."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from modelyard.registry.errors import ErrorKind
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.serving.errors import WorkerRefused, WorkerUnreachable
from modelyard.serving.upstream.pool import Pool
from modelyard.serving.upstream.response import EngineGone, Response
from modelyard.serving.upstream.target import Target

MOST_HEADS = 4096
Headers = tuple[tuple[str, str], ...]


class Loaded(msgspec.Struct, frozen=True):
    """A worker's answer to a load: where the version is ready, or why it is not.

    `slots` is how many requests the engine runs at a time; 0 if it batches all that arrive.
    """

    url: str = ""
    slots: int = 0
    code: str = "worker_failed"
    kind: str = ErrorKind.UNAVAILABLE
    message: str = ""
    detail: str = ""
    fix: str = ""


class Standing(msgspec.Struct, frozen=True):
    """A worker's status of one engine; `restarts` is how often it ended by itself."""

    version_id: str
    url: str
    restarts: int


class _State(msgspec.Struct, frozen=True):
    engines: list[Standing]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Sends requests to engines and workers over `pool`, with the internal `token`."""

    token: str
    pool: Pool
    _heads: dict[tuple[str, str, Headers], bytes] = field(
        default_factory=dict[tuple[str, str, Headers], bytes]
    )

    @classmethod
    @asynccontextmanager
    async def open(cls, token: str, *, silent_s: float) -> AsyncGenerator[Self]:
        """Open a client; `silent_s` is the longest that an engine may send nothing."""
        async with Pool.running(silent_s) as pool:
            yield cls(token, pool)

    def post(
        self, target: Target, path: str, body: bytes, headers: Headers
    ) -> Coroutine[object, None, Response]:
        """Send a request; the caller closes the answer; raises EngineGone if none arrives."""
        url = target.url
        head = self._heads.get((url, path, headers)) or self._head(url, path, headers)
        return self.pool.send(url, head, body)

    def _head(self, url: str, path: str, headers: Headers) -> bytes:
        """Build and cache a head: the same users call the same engines for the same models."""
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        head = self._heads[url, path, headers] = self._request(url, f"POST {path}", headers)
        return head

    async def load(
        self, worker: WorkerView, version_id: str, *, timeout_s: float, beside: str = ""
    ) -> Loaded:
        """Have a worker load a version and wait; raises WorkerUnreachable or WorkerRefused.

        The version with id `beside` is not evicted to make room.
        """
        order = f"POST /engines/{version_id}" + (f"?beside={beside}" if beside else "")
        status, body = await self._order(worker, order, timeout_s=timeout_s)
        answer = _read(body)
        if status >= 400 or not answer.url:
            reason = answer.message or answer.detail or f"HTTP {status}"
            what = f"{worker.device_id}: {reason}"
            is_overloaded = answer.kind == ErrorKind.OVERLOADED
            raise WorkerRefused(answer.code, what, fix=answer.fix, overloaded=is_overloaded)
        return answer

    async def unload(self, worker: WorkerView, version_id: str, *, timeout_s: float) -> None:
        """Have a worker unload a version once its requests finish; raises WorkerUnreachable."""
        await self._order(worker, f"DELETE /engines/{version_id}", timeout_s=timeout_s)

    async def keep(self, worker: WorkerView, version_ids: list[str], *, timeout_s: float) -> None:
        """Tell a worker which versions to evict last; raises WorkerUnreachable."""
        told = msgspec.json.encode({"version_ids": version_ids})
        await self._order(worker, "PUT /keep", told, timeout_s=timeout_s)

    async def answers(self, url: str, *, timeout_s: float) -> bool:
        """Whether the engine at `url` answers its health check with 200."""
        try:
            status, _ = await self._exchange(url, "GET /health", timeout_s=timeout_s)
        except (EngineGone, TimeoutError):
            return False
        return status == 200

    async def engines(self, worker: WorkerView, *, timeout_s: float) -> list[Standing]:
        """A worker's current engines; raises WorkerUnreachable."""
        _, body = await self._order(worker, "GET /state", timeout_s=timeout_s)
        try:
            return msgspec.json.decode(body, type=_State).engines
        except msgspec.MsgspecError as error:
            raise _unreachable(worker) from error

    async def _order(
        self, worker: WorkerView, order: str, body: bytes = b"", *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send an order; returns status and body; the worker may get it twice (see `Pool.send`)."""
        try:
            return await self._exchange(worker.url, order, body, timeout_s=timeout_s)
        except (EngineGone, TimeoutError) as error:
            raise _unreachable(worker) from error

    async def _exchange(
        self, url: str, order: str, body: bytes = b"", *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a request; returns status and body; raises EngineGone or TimeoutError."""
        head = self._request(url, order, ())
        async with asyncio.timeout(timeout_s):
            response = await self.pool.send(url, head, body)
            with closing(response):
                return response.status, await response.read()

    def _request(self, url: str, order: str, headers: Headers) -> bytes:
        """A request's head without Content-Length; raises ValueError for a header's line break."""
        more = "".join([f"{name}: {value}\r\n" for name, value in headers])
        if more.count("\n") != len(headers) or more.count("\r") != len(headers):
            raise ValueError("a header with a line break")
        return (
            f"{order} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n{more}"
        ).encode()


def _unreachable(worker: WorkerView) -> WorkerUnreachable:
    return WorkerUnreachable(
        f"The worker of {worker.device_id} at {worker.url} does not answer.",
        fix="Is it running? See `modelyard status`.",
    )


def _read(body: bytes) -> Loaded:
    try:
        document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        return msgspec.convert(document.get("error", document), Loaded, strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Loaded(message=body[:200].decode(errors="replace"))
