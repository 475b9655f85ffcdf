"""Which Prefect a flow run reports to, and Prefect and MLflow kept quiet about it."""

import json
import os
from pathlib import Path

import httpx

from flows.errors import PrefectUnreachable

PATIENCE_S = 10.0
"""A server that is there but busy is not taken for one that is away."""

_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    # Errors are told once, by whoever asked for the run; Prefect's pages keep all details.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def find(configured: str, data_dir: Path) -> str | None:
    """The configured Prefect, else that of `modelyard up`, else None; raises PrefectUnreachable.

    Who names a server wants the run to be seen there: it is not put elsewhere in silence.
    """
    if configured:
        if _answers(configured):
            return configured
        raise PrefectUnreachable(
            f"No Prefect server answers at PREFECT_API_URL={configured}.",
            fix="Start it or correct the address; unset PREFECT_API_URL to use the one of "
            "`modelyard up`, or a temporary one.",
        )
    url = _of_up(data_dir)
    return url if url and _answers(url) else None


def _of_up(data_dir: Path) -> str:
    file = data_dir / "run" / "up.json"
    try:
        return f"{json.loads(file.read_text())['prefect_url']}/api"
    except (FileNotFoundError, ValueError, KeyError):
        return ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=PATIENCE_S).is_success
    except httpx.HTTPError:
        return False


def prepare(url: str | None, data_dir: Path) -> None:
    """Set what Prefect reads when it is imported; without an address it starts its own server."""
    os.environ.update(_QUIET)
    if url:
        os.environ["PREFECT_API_URL"] = url
        return
    home = data_dir / "run" / "prefect"
    home.mkdir(parents=True, exist_ok=True)  # Prefect makes no parents
    os.environ.pop("PREFECT_API_URL", None)
    os.environ |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
