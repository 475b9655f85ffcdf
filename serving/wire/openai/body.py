"""Reads a request's body as one JSON object, within limits checked first."""

from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, from_json

from modelyard.serving.errors import InvalidRequest, RequestTooLarge
from modelyard.serving.wire.openai.unsupported import refuse_unsupported

MAX_BODY_BYTES = 8 * 1024 * 1024
SMALL_BODY_BYTES = 8 * 1024
"""Most bytes in the body of a request that is not to a model: the longest reason or password."""

MOST_OF_A_NAME = 100
"""Most characters of a field's name that an error message repeats."""


class WireModel(BaseModel):
    """A JSON object as a client sends it; a field's description says which values are allowed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


M = TypeVar("M", bound=WireModel)


def check_size(size: int, most: int = MAX_BODY_BYTES) -> None:
    if size > most:
        raise RequestTooLarge(f"The body has {size} bytes; at most {most} are allowed.")


def read_object(body: bytes) -> dict[str, Any]:
    """Parse one JSON object; depth is bounded (200 levels), NaN and Infinity are refused."""
    check_size(len(body))
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def read_request(shape: type[M], body: bytes) -> M:
    """Read a body as `shape`; null means not given, as in OpenAI's API.

    Raises InvalidRequest, which names field, value and what is allowed, or UnsupportedParameter.
    """
    given = {name: value for name, value in read_object(body).items() if value is not None}
    refuse_unsupported(given, known=shape.model_fields.keys())
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise _explained(shape, error.errors()[0]) from None


def _explained(shape: type[WireModel], error: ErrorDetails) -> InvalidRequest:
    location = error["loc"]
    name = str(location[0]) if location else None
    param = ".".join(str(part) for part in location)[:MOST_OF_A_NAME] or None
    allowed = shape.model_fields[name].description if name in shape.model_fields else None
    if error["type"] == "missing":
        return InvalidRequest(f"'{param}' is missing: it must be {allowed}.", param=param)
    if allowed is None:
        return InvalidRequest(f"{error['msg']}.", param=param)
    return InvalidRequest(
        f"'{param}' is {shown(error['input'])}: it must be {allowed}.", param=param
    )


def shown(value: object) -> str:
    """A value's repr as error messages quote it: at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
