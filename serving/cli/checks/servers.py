"""The servers that this installation is set up to use: each is written to once, and tidied up."""

import secrets
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from modelyard.registry.cards.index import CARDS
from modelyard.registry.database import sqlite_file
from modelyard.registry.errors import IndexUnavailable, MlflowUnavailable, StorageFull
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.running import read_running
from modelyard.registry.settings import RegistrySettings, load, sections, variable_of
from modelyard.registry.web.authorization import basic, bearer
from modelyard.serving.cli.checks.finding import Finding, fail, ok, warn
from modelyard.serving.cli.checks.server import PATIENCE_S, Server, Write


def mlflow(settings: RegistrySettings) -> Finding:
    """A server, or MLflow as a library on its database."""
    file = sqlite_file(settings.mlflow)
    shown = without_logins(settings.mlflow)
    if file is not None and not file.exists():
        return ok("MLflow", f"{shown} will be made")
    if find_spec("mlflow") is None:
        return _not_tried("MLflow")
    from modelyard.registry.mlflow.client import mlflow_client

    name = f"modelyard-doctor-{secrets.token_hex(4)}"
    try:
        with mlflow_client(settings.mlflow) as client:
            client.create_registered_model(name)
            client.delete_registered_model(name)
    except MlflowUnavailable as error:
        return fail("MLflow", error.message, error.fix)
    except OSError as error:
        return fail("MLflow", f"{shown}: {error}", "Give this user the file and its folder.")
    return ok("MLflow", f"{shown} can be written")


def _not_tried(check: str) -> Finding:
    return warn(check, "not tried: the flows are not installed here", "Try it where they are.")


def qdrant(settings: RegistrySettings) -> Finding:
    if not settings.qdrant_url:
        return _embedded_qdrant(settings.data_dir / CARDS)
    key = settings.qdrant_api_key.get_secret_value()
    server = Server(
        "Qdrant", settings.qdrant_url, "MODELYARD_QDRANT_URL", "MODELYARD_QDRANT_API_KEY"
    )
    path = f"/collections/modelyard-doctor-{secrets.token_hex(4)}"
    write = Write("PUT", path, {"vectors": {"size": 1, "distance": "Dot"}}, undone_at=path)
    return server.written(write, {"api-key": key} if key else {})


def _embedded_qdrant(folder: Path) -> Finding:
    if not folder.exists():
        return ok("Qdrant", f"embedded, {folder} will be made")
    if find_spec("qdrant_edge") is None:
        return _not_tried("Qdrant")
    from modelyard.registry.cards.shard import ShardPoints

    try:
        ShardPoints(folder).try_writing()
    except (IndexUnavailable, StorageFull) as error:
        return fail("Qdrant", error.message, error.fix)
    except OSError as error:
        return fail("Qdrant", f"{folder}: {error}", "Give this user the folder.")
    return ok("Qdrant", f"embedded, {folder} can be written")


def prefect(settings: RegistrySettings) -> Finding:
    """The configured one, else that of `up`; the login of `up` goes to its own server alone."""
    running = read_running(settings.data_dir)
    of_up = f"{running.prefect_url}/api" if running and running.prefect_url else ""
    url = _setting("PREFECT_API_URL") or of_up
    if not url:
        return ok("Prefect", "none set: `modelyard up` brings one, else a temporary one is used")
    login = _setting("PREFECT_API_AUTH_STRING")
    if not login and running and url == of_up:
        login = running.prefect_login
    headers = {"Authorization": basic(login).decode()} if login else {}
    name = f"modelyard_doctor_{secrets.token_hex(4)}"
    server = Server("Prefect", url, "PREFECT_API_URL", "PREFECT_API_AUTH_STRING")
    body = {"name": name, "value": 1}
    write = Write("POST", "/variables/", body, undone_at=f"/variables/name/{name}")
    return server.written(write, headers)


def hub() -> Finding:
    import httpx2

    url = _setting("HF_ENDPOINT")
    if not url:
        return ok("Hub", "not used: the flows are not installed")
    token = _setting("HF_TOKEN")
    headers = {"Authorization": bearer(token).decode()} if token else {}
    path = "/api/whoami-v2" if token else ""
    try:
        answer = httpx2.get(f"{url}{path}", headers=headers, timeout=PATIENCE_S)
    except httpx2.HTTPError as error:
        fix = "Models that are here already work; for new ones check the network and HF_ENDPOINT."
        return warn("Hub", f"{url}: {error or type(error).__name__}", fix)
    if answer.status_code == 401:
        return warn("Hub", f"{url} refuses our token", "Set HF_TOKEN to a valid one, or unset it.")
    return ok("Hub", f"{url} answers{' and knows our token' if token else ''}")


def _setting(variable: str) -> str:
    """The value of a setting of any package, secrets too; empty where it is not installed."""
    for _, section in sections():
        for name, field in section.model_fields.items():
            if variable_of(name, field) == variable:
                value = getattr(load(section), name)
                return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return ""
