"""Faults on demand: what a bad network or a bad store does to the next file requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelyard.deployments.demo.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one answer; what is None goes right.

    Attributes:
        status: answer this HTTP status, without a file.
        retry_after: seconds, sent beside `status`.
        cut_after: drop the connection after this many bytes of the body.
        truncate_to: end the body properly after this many bytes, as if that were all there is.
        flip_at: flip the bits of the byte at this offset of the file.
        bytes_per_second: send no faster.
    """

    status: int | None = None
    retry_after: int | None = None
    cut_after: int | None = None
    truncate_to: int | None = None
    flip_at: int | None = None
    bytes_per_second: int | None = None

    def spoil(self, chunk: bytes, offset: int) -> bytes:
        """The chunk that lies at `offset` of the file, with the wrong byte if it holds it."""
        at = -1 if self.flip_at is None else self.flip_at - offset
        if not 0 <= at < len(chunk):
            return chunk
        return chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :]


NO_FAULT = Fault()


@dataclass(slots=True)
class _Order:
    """A fault that waits for its requests: those for files whose path fits the glob."""

    fault: Fault
    times: int
    path: str


@dataclass(slots=True)
class Faults:
    """The orders given by POST /__fault, first come first served, and a count of what was sent.

    Only the event loop's thread touches it.
    """

    orders: list[_Order] = field(default_factory=list[_Order])
    file_requests: int = 0
    file_bytes: int = 0

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/__fault", self.order, methods=["POST"]),
            Route("/__stats", self.stats),
        ]

    def take(self, path: str) -> Fault:
        """The fault for one file request, which counts against its order."""
        self.file_requests += 1
        order = next((order for order in self.orders if fnmatchcase(path, order.path)), None)
        if order is None:
            return NO_FAULT
        order.times -= 1
        self.orders = [order for order in self.orders if order.times > 0]
        return order.fault

    async def order(self, request: Request) -> Response:
        """POST a Fault's fields with `times` (1) and `path` (any); no field clears all orders."""
        wanted: dict[str, Any] = json.loads(await request.body() or b"{}")
        times = int(wanted.pop("times", 1))
        path = str(wanted.pop("path", "*"))
        if not wanted:
            self.orders = []
        else:
            self.orders.append(_Order(_parse(wanted), times, path))
        return JSONResponse({"waiting": sum(order.times for order in self.orders)})

    async def stats(self, _: Request) -> Response:
        """File GETs seen and bytes of files sent since the start."""
        return JSONResponse({"file_requests": self.file_requests, "file_bytes": self.file_bytes})


def _parse(fields: Mapping[str, int]) -> Fault:
    try:
        return Fault(**fields)
    except TypeError as error:
        raise Refusal(422, str(error)) from error
