"""Chooses the Prefect server for flow runs, and silences Prefect and MLflow."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from modelyard.flows.errors import PrefectRefused, PrefectUnreachable
from modelyard.registry.running import read_running
from modelyard.registry.web.authorization import basic

PATIENCE_S = 10.0
"""Seconds to wait for a health answer, long enough for a busy server."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    # The command that started the run prints its error once; Prefect's pages keep the details.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # Prefect's extra HTTP servers, which have no authentication.
    "PREFECT_RUNNER_SERVER_ENABLE": "false",
    "PREFECT_CLIENT_METRICS_ENABLED": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True)
class Prefect:
    """A Prefect server's API URL and login; without a login, Prefect's own settings apply."""

    url: str
    login: str = field(default="", repr=False)


def find(configured: str, login: str, data_dir: Path) -> Prefect | None:
    """The configured server, else that of `modelyard up`, else None; raises PrefectUnreachable.

    A configured server that does not answer is an error, because the user wants the run to appear
    there. If the configured server is the one of `up`, its login is read from the file with its
    address.
    """
    running = _of_up(data_dir)
    if configured:
        is_ups = running is not None and running.url == configured
        server = Prefect(configured, login or (running.login if running and is_ups else ""))
        if answers(server):
            return server
        raise PrefectUnreachable(
            f"No Prefect server answers at PREFECT_API_URL={configured}.",
            fix="Start it or correct the address; unset PREFECT_API_URL to use the one of "
            "`modelyard up`, or a temporary one.",
        )
    return running if running and answers(running) else None


def await_server(configured: str, login: str, data_dir: Path, wait_s: float) -> Prefect | None:
    """As `find`, but a configured server may take `wait_s` seconds until it answers."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return find(configured, login, data_dir)
        except PrefectUnreachable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.5)


def _of_up(data_dir: Path) -> Prefect | None:
    running = read_running(data_dir)
    if running is None or not running.prefect_url:
        return None
    return Prefect(f"{running.prefect_url}/api", running.prefect_login)


def answers(server: Prefect, *, patience_s: float = PATIENCE_S) -> bool:
    """Whether a Prefect server answers, even one that requires a different login."""
    headers = {"Authorization": basic(server.login).decode()} if server.login else {}
    try:
        answer = httpx2.get(f"{server.url}/health", headers=headers, timeout=patience_s)
    except httpx2.HTTPError:
        return False
    return answer.is_success or answer.status_code == 401


def prepare(server: Prefect, home: Path | None = None) -> None:
    """Set the environment that Prefect reads on import; `home` sets PREFECT_HOME."""
    os.environ.update(QUIET, PREFECT_API_URL=server.url)
    if server.login:
        os.environ["PREFECT_API_AUTH_STRING"] = server.login
    if home is not None:
        os.environ["PREFECT_HOME"] = str(home)


def confirm(server: Prefect) -> None:
    """Send a request with Prefect's settings; raises PrefectRefused if the login is rejected."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    with get_client(sync_client=True) as client:
        try:
            client.api_version()
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 401:
                return  # any other status is not about the login
            raise PrefectRefused(
                f"The Prefect server at {server.url} asks for a login and got none that it knows.",
                fix="Set PREFECT_API_AUTH_STRING to its name:password. Of the one that `modelyard "
                "up` starts it is `prefect_login` in run/up.json of the data folder.",
            ) from None
