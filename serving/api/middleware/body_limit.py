"""Limits the bytes read of a body to what its route needs, whether or not it announces them.

Requests to models have larger bodies, which their own path limits
(modelyard.serving.api.inference.exchange).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.serving.api.problems import refusal
from modelyard.serving.errors import RequestTooLarge
from modelyard.serving.wire.openai.body import MAX_BODY_BYTES, SMALL_BODY_BYTES, check_size
from modelyard.serving.wire.openai.files import MOST_FILE_BYTES

NONE_NEEDED = 1024
"""Bytes for methods whose routes read no body; some clients send `{}` all the same."""

MOST: Mapping[str, int] = {"POST": SMALL_BODY_BYTES, "PUT": SMALL_BODY_BYTES}
"""Most bytes of a body by method, for routes that are not to a model."""

OWN: Mapping[tuple[str, str], int] = {
    ("POST", "/v1/files"): MOST_FILE_BYTES + SMALL_BODY_BYTES,
    ("POST", "/api/v1/route"): MAX_BODY_BYTES,
    ("POST", "/api/v1/route/batch"): MAX_BODY_BYTES,
}
"""Most bytes of a body of the few routes that take more."""


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Refuses a body that announces too many bytes, and stops reading one that has too many."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = most_bytes(scope["method"], scope["path"])
        announced = Headers(scope=scope).get("content-length", "")
        try:
            check_size(int(announced) if announced.isdecimal() else 0, most)
        except RequestTooLarge as error:
            await refusal(scope["path"], error)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, most), send)


def most_bytes(method: str, path: str) -> int:
    """Most bytes that the body of such a request may have."""
    return OWN.get((method, path)) or MOST.get(method, NONE_NEEDED)


def _counted(receive: Receive, most: int) -> Receive:
    read = 0

    async def receive_counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            # FastAPI turns any other error in a body into a 400.
            raise HTTPException(413, f"more than {most} bytes")
        return message

    return receive_counted
