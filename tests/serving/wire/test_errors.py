"""Every failure has OpenAI's form, a status and a stable code."""

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

import modelyard.registry
import modelyard.serving
from modelyard.registry.errors import ErrorKind, ModelyardError, NotAuthenticated, UnknownModel
from modelyard.serving.errors import (
    ContextLengthExceeded,
    EngineAnswerInvalid,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    RequestEndsEngines,
    ServingError,
    WorkerRefused,
)
from modelyard.serving.wire.errors import HTTP, error_bytes, status_of


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("x", param="p"), 400, "invalid_request_error"),
        (ContextLengthExceeded("x"), 400, "invalid_request_error"),
        (NotAuthenticated("x"), 401, "authentication_error"),
        (UnknownModel("x"), 404, "invalid_request_error"),
        (EngineBusy("x"), 503, "overloaded_error"),
        (EngineFailed("x"), 500, "server_error"),
        (EngineAnswerInvalid("x"), 502, "server_error"),
        (WorkerRefused("does_not_fit", "x"), 503, "server_error"),
        (WorkerRefused("device_full", "x", overloaded=True), 503, "overloaded_error"),
        (RequestEndsEngines("x"), 422, "invalid_request_error"),
        (ModelyardError("x"), 500, "server_error"),
    ],
)
def test_an_error_keeps_its_code_and_gets_its_status(
    error: ModelyardError, status: int, kind: str
) -> None:
    """Code and way out reach the client; the status follows the kind."""
    body = msgspec.json.decode(error_bytes(error))["error"]
    assert status_of(error) == status
    assert (body["type"], body["code"]) == (kind, error.code)
    assert set(body) == {"message", "type", "param", "code"}


def test_the_way_out_is_part_of_the_message() -> None:
    """OpenAI's form has no field for it."""
    body = msgspec.json.decode(error_bytes(InvalidRequest("No.", param="p", fix="Do this.")))
    assert body["error"]["message"] == "No. Do this."
    assert body["error"]["param"] == "p"


def _errors(of: type[ModelyardError]) -> Iterator[type[ModelyardError]]:
    for each in of.__subclasses__():
        yield each
        yield from _errors(each)


def test_every_kind_has_a_status() -> None:
    """A new one is not a 500 because it was forgotten here."""
    assert set(HTTP) == set(ErrorKind)


def test_every_error_declares_its_kind() -> None:
    """Itself or by what it derives from; only those that no answer carries are left out."""
    for room in (modelyard.registry, modelyard.serving):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if ".cli" not in found.name and "migrations" not in found.name:
                importlib.import_module(found.name)
    ours = [
        e
        for e in _errors(ModelyardError)
        if e.__module__.startswith(("modelyard.registry", "modelyard.serving"))
    ]
    silent = {e.__name__ for e in ours if ".cli" not in e.__module__ and not _declares_kind(e)}
    assert silent == {ServingError.__name__, "TrialImpossible"}


def _declares_kind(error: type[ModelyardError]) -> bool:
    above = error.__mro__.index(ModelyardError)
    return any("kind" in vars(base) for base in error.__mro__[:above])
