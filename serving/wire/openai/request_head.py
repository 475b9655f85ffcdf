"""The few fields of a request's body that the gateway itself needs."""

import re

import msgspec

from modelyard.serving.errors import InvalidRequest

BYTES_A_TOKEN = 4

_AT = re.compile(r"`\$\.(?P<field>[^`]+)`")


class RequestHead(msgspec.Struct, frozen=True):
    """The model asked for, and how much work it is; the engine validates everything else.

    A value of the wrong type counts as not given here; the engine refuses it.
    """

    model: str
    max_tokens: object = None
    max_completion_tokens: object = None
    n: object = None


_decode = msgspec.json.Decoder(RequestHead).decode


def read_head(body: bytes) -> RequestHead:
    """Read these fields; raises InvalidRequest, which names the field that is wrong."""
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise _explained(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None


def prompt_tokens(body: bytes) -> int:
    """Estimated tokens of a request's text, used until its engine has counted them."""
    return len(body) // BYTES_A_TOKEN


def _explained(error: msgspec.ValidationError) -> InvalidRequest:
    at = _AT.search(str(error))
    if at is None and "required field" not in str(error):
        return InvalidRequest("The body must be a JSON object.")
    param = at["field"] if at else "model"
    return InvalidRequest(
        f"'{param}' must be the name of a model.", param=param, fix="GET /v1/models lists them."
    )
