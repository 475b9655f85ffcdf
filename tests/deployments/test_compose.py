"""docker-compose.yml, started for real: an ingest, an answer, and nothing for whom nobody knows."""

import json
import re
import secrets
import socket
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import httpx2
import openai
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from websockets.exceptions import WebSocketException
from websockets.sync.client import unix_connect

from tests.servers.containers import compose
from tests.servers.stack import Stack, running_stack

pytestmark = [pytest.mark.slow(seconds=160), pytest.mark.timeout(1200)]
ODD = "@/#:%?&+"
"""What people's own passwords have in them, and addresses give a meaning to."""

MODEL = "modelyard/tiny-shakespeare-GGUF"
NOWHERE = "00000000-0000-0000-0000-000000000000"
FOREIGN = {"Origin": "http://elsewhere.example"}


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """What stands in .env."""
    made = {name: secrets.token_hex(32) for name in compose.required()}
    chosen = {name: f"{value}{ODD}" for name, value in made.items() if name.endswith("_PASSWORD")}
    return made | chosen


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Generator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), variables) as stack:
        yield stack


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    """An API key, made as a person makes one."""
    add = ("modelyard", "users", "add", "ada", "--role", "admin", "--no-password")
    assert stack.run("gateway", *add).returncode == 0
    made = stack.run("gateway", "modelyard", "keys", "create", "ada", "--json")
    return json.loads(made.stdout)["key"]


@pytest.fixture(scope="module")
def ingested(stack: Stack) -> Stack:
    """The demo's model, brought in by a run of Prefect's deployment."""
    _await_deployment(stack)
    run = ("prefect", "deployment", "run", "ingest/ingest", "-p", f"repo={MODEL}", "--watch")
    ended = stack.run("flows", *run)
    assert ended.returncode == 0, ended.stdout + ended.stderr + stack.log("flows")
    return stack


def _await_deployment(stack: Stack) -> None:
    """The flows are served a moment after their service has started."""
    auth = _login(stack, "prefect", "PREFECT_SERVER_API_AUTH_STRING")
    deadline = time.monotonic() + 200
    with stack.network.client("prefect", 4200, auth=auth) as prefect:
        while not prefect.get("/api/deployments/name/ingest/ingest").is_success:
            assert time.monotonic() < deadline, stack.log("flows")
            time.sleep(0.5)


def _login(stack: Stack, service: str, variable: str) -> tuple[str, str]:
    user, _, password = stack.services[service].environment[variable].partition(":")
    return user, password


@pytest.fixture
def mlflow(stack: Stack) -> Generator[httpx2.Client]:
    """MLflow for who has its password."""
    at = stack.services["mlflow"].environment
    auth = at["MLFLOW_AUTH_ADMIN_USERNAME"], at["MLFLOW_AUTH_ADMIN_PASSWORD"]
    with stack.network.client("mlflow", 5000, auth=auth) as client:
        yield client


def test_an_ingest_registers_everywhere(ingested: Stack, mlflow: httpx2.Client) -> None:
    """Catalog, MLflow with its alias, and the card index have the version, and no other."""
    listed = ingested.run("flows", "modelyard", "models", "list", "--json")
    (model,) = json.loads(listed.stdout)
    (version,) = model["versions"]
    assert (model["name"], version["aliases"]) == (MODEL, ["champion"])
    name = {"name": MODEL.replace("/", "--")}
    held = mlflow.get("/api/2.0/mlflow/registered-models/get", params=name).raise_for_status()
    registered = held.json()["registered_model"]
    assert registered["aliases"] == [{"alias": "champion", "version": version["mlflow_version"]}]
    found = ingested.run("flows", "modelyard", "models", "search", "shakespeare", "--json")
    assert [hit["model"] for hit in json.loads(found.stdout)] == [MODEL]


@pytest.fixture(scope="module")
def answer(ingested: Stack, key: str) -> list[str]:
    """The pieces of an answer as the unmodified client has them, from gateway, worker, engine."""
    there = httpx2.HTTPTransport(uds=ingested.network.socket("gateway", 8080))
    with httpx2.Client(transport=there, timeout=240) as http:
        client = openai.OpenAI(
            base_url="http://gateway:8080/v1", api_key=key, http_client=http, max_retries=0
        )
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "What news?"}],
            max_tokens=12,
            stream=True,
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="my_nobody").models.list()
    return pieces


def test_an_answer_is_streamed(answer: list[str]) -> None:
    """It comes in pieces, and they are words."""
    assert len(answer) > 1
    assert "".join(answer).strip()


def test_every_port_is_known(stack: Stack, answer: list[str]) -> None:
    """What takes connections is a server that another test here asks, or one of ours.

    The worker and its engine ask for the token; Prefect's runner hears nobody whom it did not
    start, and nobody outside its container.
    """
    del answer
    inside = set[int]()
    asked = set[int]()
    for address, port in stack.network.listening():
        if address == stack.network.names["worker"]:
            asked.add(port)
            _asks_for_the_token(stack, port)
        elif address == "127.0.0.1":
            inside.add(port)
            assert _says_nothing(stack, port)
        else:
            assert port in {80, 4200, 5000, 5432, 6333, 6379, 8080, 8501}, (address, port)
    assert len(asked) == 2, "the worker, and its engine"
    assert len(inside) <= 1


def _asks_for_the_token(stack: Stack, port: int) -> None:
    routes = [("GET", "/state"), ("GET", "/health"), ("PUT", "/keep"), ("GET", "/v1/models")]
    routes += [(method, f"/engines/{NOWHERE}") for method in ("POST", "DELETE")]
    routes += [("POST", "/v1/completions"), ("POST", "/v1/chat/completions")]
    with stack.network.client("worker", port) as client:
        for method, path in routes:
            assert client.request(method, path, json={}).status_code == 401, (port, path)


def _says_nothing(stack: Stack, port: int) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(120)
        line.connect(stack.network.socket("127.0.0.1", port))
        line.sendall(b"GET / HTTP/1.0\r\n\r\n" * 100)
        line.shutdown(socket.SHUT_WR)
        try:
            return line.recv(1) == b""
        except ConnectionResetError:
            return True


def test_only_the_door_is_open_to_this_machine(stack: Stack) -> None:
    """The gateway is published; the dashboard, which asks for a key itself, on loopback only."""
    published = {service.name: service.ports for service in stack.services.values()}
    assert {name: ports for name, ports in published.items() if ports} == {
        "gateway": ["8080:8080"],
        "dashboard": ["127.0.0.1:8501:8501"],
    }


def test_the_gateway_asks_for_a_key(stack: Stack, key: str) -> None:
    """Each of its own routes, but for those that say they are open."""
    with stack.network.client("gateway", 8080) as client:
        described = client.get("/openapi.json", headers={"Authorization": f"Bearer {key}"})
        paths = described.raise_for_status().json()["paths"]
        routes = [(method, path) for path, there in paths.items() for method in there]
        open_ = {"/api/v1/login", "/health", "/health/live", "/health/ready", "/metrics"}
        assert _answered(client, routes) <= open_


def test_prefect_asks_for_its_password(stack: Stack) -> None:
    """Each route of its API, its sockets too; other sites' pages learn nothing."""
    auth = _login(stack, "prefect", "PREFECT_SERVER_API_AUTH_STRING")
    with stack.network.client("prefect", 4200) as client:
        paths = client.get("/api/openapi.json", auth=auth).raise_for_status().json()["paths"]
        routes = [(method, f"/api{path}") for path, there in paths.items() for method in there]
        assert len(routes) > 100
        assert _answered(client, routes) == {"/api/health", "/api/ready"}
        assert client.get("/api/admin/settings", auth=("modelyard", "wrong")).status_code == 401
        answer = client.get("/api/health", headers=FOREIGN)
        assert "access-control-allow-origin" not in answer.headers
    for path in _lines(stack, "prefect", _PREFECT_SOCKETS):
        assert _socket_refuses(stack, re.sub(r"\{\w+\}", "x", path)), path


_PREFECT_SOCKETS = """
from prefect.server.api import server
from fastapi.routing import APIWebSocketRoute
for router in server.API_ROUTERS:
    for route in router.routes:
        if isinstance(route, APIWebSocketRoute):
            print("/api" + route.path)
"""


def _socket_refuses(stack: Stack, path: str) -> bool:
    """Without its password nothing comes from a socket but its end."""
    try:
        with unix_connect(
            stack.network.socket("prefect", 4200),
            f"ws://prefect:4200{path}",
            subprotocols=["prefect"],  # type: ignore[list-item] - a plain name
        ) as line:
            line.send(json.dumps({"type": "auth", "token": "wrong"}))
            line.recv(timeout=60)
    except WebSocketException:
        return True
    return False


def test_mlflow_asks_for_its_password(stack: Stack, mlflow: httpx2.Client) -> None:
    """Each route, the newer ones beside Flask's too; other names and sites are turned away."""
    routes = [line.split() for line in _lines(stack, "mlflow", _MLFLOW_ROUTES)]
    assert len(routes) > 500
    with stack.network.client("mlflow", 5000) as client:
        answered = _answered(client, [(method, path) for method, path in routes])
        assert {path for path in answered if not path.startswith("/static-files/")} == {
            "/health",
            "/api/3.0/mlflow/server-info",
            "/ajax-api/3.0/mlflow/server-info",
        }
    search = "/api/2.0/mlflow/experiments/search"
    everything = {"max_results": 1}
    assert mlflow.post(search, json=everything).status_code == 200
    assert mlflow.post(search, json=everything, auth=("modelyard", "wrong")).status_code == 401
    assert mlflow.post(search, json=everything, headers=FOREIGN).status_code == 403
    elsewhere = {"Host": "elsewhere.example"}
    assert mlflow.post(search, json=everything, headers=elsewhere).status_code == 403


_MLFLOW_ROUTES = """
import os
os.environ["_MLFLOW_SGI_NAME"] = "uvicorn"
from mlflow.server import app as flask
from mlflow.server.auth import create_app
routes = [(rule.rule, rule.methods) for rule in flask.url_map.iter_rules()]
routes += [(r.path, r.methods) for r in create_app().routes if getattr(r, "methods", None)]
routes += [(rule.rule, rule.methods) for rule in flask.url_map.iter_rules()]
for path, method in sorted({(path, method) for path, methods in routes for method in methods}):
    print(method, path.replace(" ", ""))
"""


def _lines(stack: Stack, service: str, program: str) -> list[str]:
    """What a program in a service's environment prints."""
    ended = stack.run(service, "python", "-W", "ignore", "-c", program)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines
    return lines


def _answered(client: httpx2.Client, routes: Iterable[tuple[str, str]]) -> set[str]:
    """Paths that give somebody without a credential anything but 401."""
    answered: set[str] = set()
    for method, path in routes:
        concrete = re.sub(r"<[^>]*>|\{[^}]*\}", NOWHERE, path)
        asks = method not in {"HEAD", "OPTIONS"}
        if asks and client.request(method.upper(), concrete).status_code != 401:
            answered.add(path)
    return answered


def test_qdrant_asks_for_its_key(stack: Stack) -> None:
    """What stands in for it has the key of .env, and our index has it too (see the ingest)."""
    with stack.network.client("qdrant", 6333) as client:
        assert client.get("/collections/modelyard-cards").status_code == 401


def test_redis_asks_for_its_password(stack: Stack, variables: dict[str, str]) -> None:
    """Nothing is answered without, and with it limits are never forgotten for want of room."""
    path = stack.network.socket("redis", 6379)
    with Redis(unix_socket_path=path) as client, pytest.raises(AuthenticationError):
        client.ping()
    with Redis(unix_socket_path=path, password=variables["REDIS_PASSWORD"]) as client:
        settings = client.config_get()
    assert (settings["maxmemory-policy"], settings["save"]) == ("noeviction", "")
    assert settings["appendonly"] == "no"


def test_postgres_asks_for_its_password(stack: Stack, variables: dict[str, str]) -> None:
    """From any other address of the network."""
    login = f"{_postgres_at(stack)} user=modelyard dbname=modelyard"
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(login, password=password)
    psycopg.connect(login, password=variables["POSTGRES_PASSWORD"]).close()


def _postgres_at(stack: Stack) -> str:
    """Where PostgreSQL's client finds it: it looks for a file of a certain name."""
    there = Path(stack.network.socket("postgres", 5432))
    named = there.with_name(".s.PGSQL.5432")
    if not named.is_symlink():
        named.symlink_to(there)
    return f"host={there.parent}"


def test_mlflow_keeps_its_record_in_postgresql(ingested: Stack, variables: dict[str, str]) -> None:
    """In its own database, as a user who sees no other; no file of a volume has a part of it."""
    login = f"{_postgres_at(ingested)} user=mlflow"
    password = variables["MLFLOW_DATABASE_PASSWORD"]
    with psycopg.connect(login, dbname="mlflow", password=password) as connection:
        held = connection.execute("SELECT name FROM registered_models").fetchall()
    assert held == [(MODEL.replace("/", "--"),)]
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(login, dbname="modelyard", password=password)
    assert list((ingested.folder / "places").rglob("*mlflow*.db")) == []


def test_mlflow_s_database_is_made_once_and_kept(stack: Stack, mlflow: httpx2.Client) -> None:
    """A second `docker compose up` runs the service that makes it again, and changes nothing."""
    service = stack.services["mlflow-database"]
    again = stack.run(service.name, *service.entrypoint or ())
    assert again.returncode == 0, again.stderr
    everything = {"max_results": 1}
    mlflow.post("/api/2.0/mlflow/experiments/search", json=everything).raise_for_status()
