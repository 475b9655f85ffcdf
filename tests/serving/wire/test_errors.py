"""Every failure has OpenAI's form, a status and a stable code."""

import msgspec
import pytest

from registry.errors import ModelyardError, NotAuthenticated, UnknownModel
from serving.errors import ContextLengthExceeded, EngineBusy, EngineFailed, InvalidRequest
from serving.wire.errors import error_bytes, status_of


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("x", param="p"), 400, "invalid_request_error"),
        (ContextLengthExceeded("x"), 400, "invalid_request_error"),
        (NotAuthenticated("x"), 401, "authentication_error"),
        (UnknownModel("x"), 404, "invalid_request_error"),
        (EngineBusy("x"), 503, "overloaded_error"),
        (EngineFailed("x"), 500, "server_error"),
        (ModelyardError("x"), 500, "server_error"),
    ],
)
def test_an_error_keeps_its_code_and_gets_its_status(
    error: ModelyardError, status: int, kind: str
) -> None:
    """Code and way out reach the client; the status follows the code."""
    body = msgspec.json.decode(error_bytes(error))["error"]
    assert status_of(error) == status
    assert (body["type"], body["code"]) == (kind, error.code)
    assert set(body) == {"message", "type", "param", "code"}


def test_the_way_out_is_part_of_the_message() -> None:
    """OpenAI's form has no field for it."""
    body = msgspec.json.decode(error_bytes(InvalidRequest("No.", param="p", fix="Do this.")))
    assert body["error"]["message"] == "No. Do this."
    assert body["error"]["param"] == "p"
