"""Limits the bytes read of a body, whether or not it announces its length.

Requests to models have larger bodies, which their own path limits
(modelyard.serving.api.inference.exchange).
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.serving.api.problems import refusal
from modelyard.serving.errors import RequestTooLarge
from modelyard.serving.wire.openai.body import SMALL_BODY_BYTES, check_size


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Refuses a body that announces too many bytes, and stops reading one that has too many."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = Headers(scope=scope).get("content-length", "") if "headers" in scope else ""
        try:
            check_size(int(announced) if announced.isdecimal() else 0, SMALL_BODY_BYTES)
        except RequestTooLarge as error:
            await refusal(scope["path"], error)(scope, receive, send)
            return
        await self.app(scope, _counted(receive), send)


def _counted(receive: Receive) -> Receive:
    read = 0

    async def receive_counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > SMALL_BODY_BYTES:
            # FastAPI turns any other error in a body into a 400.
            raise HTTPException(413, f"more than {SMALL_BODY_BYTES} bytes")
        return message

    return receive_counted
