"""What people send is planted with secrets: no log and no measure of any process has one of them.

Gateway, worker and engine are processes of their own and log all they can.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.identity.caller import Role
from tests.models.tiny import Tiny
from tests.serving.installation import (
    ALIVE_S,
    SCRAPING,
    SECRET,
    TOKEN,
    Installation,
    open_installation,
)
from tests.serving.processes import (
    PATIENT,
    GatewayProcess,
    environment,
    gateway_process,
    until,
    worker_process,
)

pytestmark = pytest.mark.slow

SAID = "Rumpelstiltskin"
"""In each prompt, password and key; no other text has it."""

MODEL = "ada/nobodys-business"
PASSWORD = f"{SAID}-password"
KEYS = (f"my_{SAID}0123456789abcdef", f"sk-{SAID}0123456789", SAID)

INSIDE = {"Authorization": f"Bearer {TOKEN}"}
"""How our own processes ask one another."""


@dataclass(frozen=True, slots=True)
class WrittenText:
    """All that was logged, by process, and what each shows to Prometheus."""

    logs: dict[str, str]
    measures: dict[str, str]
    foreign: dict[str, httpx2.Response]


def chats() -> Iterator[dict[str, Any]]:
    """Requests that are answered, and some that each check on the way refuses."""
    messages = [{"role": "user", "content": f"I am {SAID}"}]
    good: dict[str, Any] = {"model": MODEL, "messages": messages, "max_tokens": 2}
    yield good
    yield good | {"stream": True, "stop": [SAID], "user": SAID}
    yield good | {"logprobs": True, "response_format": {"type": SAID}}
    yield good | {"max_tokens": SAID}
    yield good | {"messages": [{"role": SAID, "content": SAID}]}
    yield good | {"messages": SAID}
    yield good | {"tools": [{"type": "function", "function": {"name": SAID, "parameters": SAID}}]}
    yield good | {"messages": [{"role": "user", "content": f"{SAID} " * 9000}]}
    yield good | {SAID: SAID}


def ask_all(http: httpx2.Client) -> set[int]:
    """Each request with a good key; the statuses that came of it."""
    statuses = {http.post("/v1/chat/completions", json=body).status_code for body in chats()}
    for path in ("/v1/completions", "/v1/embeddings", "/tokenize"):
        body = {"model": MODEL, "prompt": SAID, "input": SAID, "max_tokens": 2}
        statuses.add(http.post(path, json=body).status_code)
    broken = json.dumps(next(chats()))[:-1]
    headers = {"Content-Type": "application/json"}
    statuses.add(http.post("/v1/chat/completions", content=broken, headers=headers).status_code)
    return statuses


def knock(http: httpx2.Client) -> None:
    """With wrong keys in every place where people put them, and passwords right and wrong."""
    for key in KEYS:
        forms = (f"Bearer {key}", f"Basic {key}", key)
        for form in forms:
            http.get("/v1/models", headers={"Authorization": form, "Cookie": f"session={key}"})
        http.get("/v1/models", params={"api_key": key, "token": key})
        http.get("/api/v1/me", headers={"X-Api-Key": key})
    for password in (PASSWORD, f"{PASSWORD}-wrong"):
        http.post("/api/v1/login", json={"name": "eve", "password": password})
    http.post("/api/v1/login", json={"name": "eve", "password": {SAID: SAID}})
    user = {"name": "carl", "role": SAID, "password": PASSWORD}
    http.post("/api/v1/admin/users", json=user)


@pytest.fixture(scope="module")
def written(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> WrittenText:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    env = environment(folder) | PATIENT
    env |= {"MODELYARD_LOG_LEVEL": "debug", "MODELYARD_ACCESS_LOG": str(folder / "access.log")}
    log = folder / "worker.log"
    with open_installation(f"sqlite:///{folder / 'modelyard.db'}", folder) as installation:
        stranger = add_eve(installation)
        version = private_model(installation, folder)
        with (
            log.open("wb") as worker_log,
            worker_process(env, worker_log),
            httpx2.Client(timeout=120, trust_env=False) as client,
        ):
            worker, engine = load(installation, version, client)
            with gateway_process(env, folder) as gateway:
                gateway.once_ready()
                talk(gateway, installation.ada)
                places = {"gateway": gateway.url, "worker": worker, "engine": engine}
                reading = {"gateway": SCRAPING, "worker": SCRAPING, "engine": INSIDE}
                measures = {
                    name: client.get(f"{places[name]}/metrics", headers=headers).text
                    for name, headers in reading.items()
                }
                theirs = {"Authorization": f"Bearer {stranger}"}
                foreign = {
                    name: client.get(f"{url}/metrics", headers=theirs)
                    for name, url in places.items()
                }
                gateway.process.terminate()
                logs = {"gateway": "".join(gateway.process.communicate(timeout=60))}
    logs["worker and engine"] = log.read_text(errors="replace")
    logs["access log"] = (folder / "access.log").read_text()
    return WrittenText(logs, measures, foreign)


def add_eve(installation: Installation) -> str:
    """Another user with the planted password; returns her key."""
    installation.identity.create_user("eve", Role.USER, PASSWORD)
    return installation.identity.create_key("eve", "another")


def private_model(installation: Installation, folder: Path) -> ModelVersion:
    owner = installation.identity.authenticate_key(installation.ada).user_id
    file = Tiny(vocabulary=512).write(folder / "tiny.gguf")
    return installation.filled.add_gguf(MODEL, file, owner_id=owner)


def load(
    installation: Installation, version: ModelVersion, client: httpx2.Client
) -> tuple[str, str]:
    """Have the worker load it; the addresses of worker and engine."""
    until(lambda: bool(installation.fleet.workers(ALIVE_S)))
    (worker,) = installation.fleet.workers(ALIVE_S)
    client.post(f"{worker.url}/engines/{version.id}", headers=INSIDE).raise_for_status()
    until(lambda: any(engine.url for engine in installation.fleet.engines(ALIVE_S)))
    (engine,) = installation.fleet.engines(ALIVE_S)
    return worker.url, engine.url


def talk(gateway: GatewayProcess, key: str) -> None:
    with gateway.http(key) as http:
        assert ask_all(http) >= {200, 400}
    with gateway.http() as http:
        knock(http)


def test_no_log_line_has_what_a_person_sent(written: WrittenText) -> None:
    """Neither prompt nor password nor key, whether the request was answered or refused."""
    for name, text in written.logs.items():
        assert text, name
        assert SAID not in text, [line for line in text.splitlines() if SAID in line][:3]
        assert SECRET not in text, name


def test_no_measure_has_what_a_person_sent(written: WrittenText) -> None:
    """They name models and routes, and those that there are alone."""
    for name, text in written.measures.items():
        assert "modelyard_" in text, name
        assert SAID not in text, name
    assert MODEL in written.measures["gateway"], "a request was counted"


def test_the_name_of_a_private_model_is_in_no_measure_that_others_may_read(
    written: WrittenText,
) -> None:
    """Another user's key opens no page of measures, of no process."""
    for name, answer in written.foreign.items():
        assert answer.status_code in {401, 403}, name
        assert MODEL not in answer.text, name
