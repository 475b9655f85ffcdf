"""The few fields of a completion's body that the gateway itself has to know."""

import re

import msgspec

from modelyard.serving.errors import InvalidRequest

BYTES_A_TOKEN = 4

_AT = re.compile(r"`\$\.(?P<field>[^`]+)`")


class RequestHead(msgspec.Struct, frozen=True):
    """Which model is asked for, and how much of it; the engine checks everything.

    What is not of the usual type is taken as not given here, and refused there.
    """

    model: str
    max_tokens: object = None
    max_completion_tokens: object = None
    n: object = None


_decode = msgspec.json.Decoder(RequestHead).decode


def read_head(body: bytes) -> RequestHead:
    """Raises InvalidRequest, naming the field where one is wrong."""
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise _explained(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None


def prompt_tokens(body: bytes) -> int:
    """About how many tokens a request's text has, until its engine has counted them."""
    return len(body) // BYTES_A_TOKEN


def _explained(error: msgspec.ValidationError) -> InvalidRequest:
    at = _AT.search(str(error))
    if at is None and "required field" not in str(error):
        return InvalidRequest("The body must be a JSON object.")
    param = at["field"] if at else "model"
    return InvalidRequest(
        f"'{param}' must be the name of a model.", param=param, fix="GET /v1/models lists them."
    )
