"""Bodies that may be long are checked in a thread, so that no other request waits behind them."""

import asyncio
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from modelyard.serving.wire.openai.body import read_object

LONG_BODY = 16 * 1024
"""From so many bytes on a body is read in a thread."""

Shape = TypeVar("Shape", bound=BaseModel)


async def read_as(shape: type[Shape], request: Request) -> Shape:
    """The body in its shape; raises InvalidRequest and the framework's RequestValidationError."""
    body = await request.body()
    if len(body) < LONG_BODY:
        return _checked(shape, body)
    return await asyncio.to_thread(_checked, shape, body)


def _checked(shape: type[Shape], body: bytes) -> Shape:
    given = read_object(body)
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None
