"""The client that commands use, and its problems as errors of the command."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelyard.registry.errors import ModelyardError

if TYPE_CHECKING:
    from modelyard.serving.client import Modelyard


class StillGoesOn(ModelyardError):
    """Nobody waits any more for what goes on; the fix says how to wait again."""

    code = "interrupted"
    exit_code = 130


class NotInTime(ModelyardError):
    """What was waited for has not ended in time, and goes on."""

    code = "not_in_time"
    exit_code = 124


class WorkFailed(ModelyardError):
    """What was waited for has ended without a result."""

    code = "request_failed"


class RequestUnclear(ModelyardError):
    """None of one's latest requests has an id that begins so, or several have."""

    code = "request_not_found"
    exit_code = 4


@contextmanager
def gateway_client() -> Generator["Modelyard"]:
    """A client of the gateway that commands ask; raises what `check` does, and GatewayAway."""
    from modelyard.serving.cli.connection import GatewayAway, find, refusal
    from modelyard.serving.client import ApiProblem, GatewaySilent, Modelyard

    connection = find()
    with Modelyard(connection.url, connection.key, most_tries=3) as client:
        try:
            yield client
        except ApiProblem as problem:
            raise refusal(problem.status, problem.message, problem.fix) from None
        except GatewaySilent as error:
            raise GatewayAway(
                f"The gateway at {connection.url} does not answer ({error}).",
                fix="Is it running? `modelyard up` or `modelyard gateway` starts one.",
            ) from None


@contextmanager
def waiting_for(command: str, what: str) -> Generator[None]:
    """While a person waits; Ctrl-C ends the waiting, and says by which command it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise StillGoesOn(f"{what} goes on.", fix=f"To wait for it again: {command}") from None
