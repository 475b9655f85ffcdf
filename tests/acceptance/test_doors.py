"""Every port of `up`, as the kernel has it, refuses strangers and foreign pages."""

import asyncio
import json
from collections.abc import Iterator

import httpx2
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from modelyard.registry.web.authorization import basic, bearer
from tests.acceptance.conftest import RunningInstance
from tests.acceptance.doors import METHODS, OPEN, OpenPort, doors, name_of
from tests.servers.listening import answer_to, listeners

pytestmark = [pytest.mark.slow(seconds=250), pytest.mark.timeout(1200)]

SERVERS = ("gateway", "prefect", "dashboard", "hub", "worker-cpu-0", "worker-cpu-0's engine")
FOREIGN = "http://evil.example"
REFUSED = {401, 403}


@pytest.fixture(scope="module")
def every_door(up: RunningInstance) -> dict[str, OpenPort]:
    return doors(up)


@pytest.fixture(params=SERVERS)
def door(request: pytest.FixtureRequest, every_door: dict[str, OpenPort]) -> OpenPort:
    return every_door[request.param]


def test_everything_that_listens_is_known_and_on_loopback(up: RunningInstance) -> None:
    """TCP on 127.0.0.1 and nothing else; whoever adds a port has to close it below."""
    found = listeners(up.process.pid)
    assert {one.kind for one in found} == {"tcp"}, found
    assert all(one.address and one.address.is_loopback for one in found), found
    assert sorted(name_of(up, one.pid) for one in found) == sorted((*SERVERS, "flows"))


def test_no_key_is_on_a_command_line(up: RunningInstance) -> None:
    """Every user of a machine may read those."""
    facts = up.facts
    keys = [facts[n] for n in ("admin_key", "prefect_login", "metrics_token", "hub_token")]
    keys.append((up.data / "secret.key").read_text().strip())
    root = psutil.Process(up.process.pid)
    lines = [" ".join(p.cmdline()) for p in (root, *root.children(recursive=True))]
    assert not [line for line in lines if any(key in line for key in keys)]


def _asked(door: OpenPort) -> Iterator[tuple[str, str]]:
    return ((method, path) for path in door.paths for method in METHODS)


@pytest.mark.parametrize("key", ["none", "a wrong one"])
def test_strangers_are_refused_on_every_route_and_method(
    up: RunningInstance, door: OpenPort, key: str
) -> None:
    """But for what is listed by name, and the files of Prefect's page that asks for a login."""
    of_its_kind = basic("modelyard:wrong") if door.name == "prefect" else bearer("my_wrong")
    wrong = b"" if key == "none" else of_its_kind
    listed = OPEN.get(door.name, {})
    assert set(listed) <= set(_asked(door)), "a name on the list is none"
    told: list[tuple[str, str, int]] = []
    with door.client(wrong) as stranger:
        for method, path in _asked(door):
            answer = stranger.request(method, door.exactly(path))
            if door.is_page(method, path):
                assert _tells_nothing(up, answer), path
            elif (method, path) not in listed:
                told.append((method, path, answer.status_code))
    # Where a path is open to one method, the others say that it is not to them.
    open_paths = {path for _, path in listed}
    assert not [
        (method, path, status)
        for method, path, status in told
        if not (status in REFUSED or (status == 405 and path in open_paths))
    ]


def _tells_nothing(up: RunningInstance, answer: httpx2.Response) -> bool:
    secrets = (up.facts["demo_model"], up.facts["admin_key"], up.facts["prefect_login"])
    return not any(secret in answer.text for secret in secrets)


@pytest.mark.parametrize("host", [{}, {"host": "evil.example"}])
def test_foreign_pages_are_refused_with_any_key(door: OpenPort, host: dict[str, str]) -> None:
    """Also where their name was pointed at this machine, so that they seem to be our own."""
    with door.client(door.credential, origin=FOREIGN, **host) as page:
        wrong = [
            (method, path, status)
            for method, path in _asked(door)
            if (status := page.request(method, door.exactly(path)).status_code) not in REFUSED
        ]
    assert wrong == []


def test_a_page_under_a_foreign_name_is_not_shown(every_door: dict[str, OpenPort]) -> None:
    """A browser sends no origin with the first request, but the name that it was led to."""
    for name in ("prefect", "dashboard"):
        with every_door[name].client(every_door[name].credential, host="evil.example") as page:
            assert {page.get(path).status_code for path in ("/", "/api/health")} == {403}


def test_the_right_key_opens(every_door: dict[str, OpenPort]) -> None:
    """Refusing everybody would pass all of the above."""
    asked = {
        "gateway": "/v1/models",
        "prefect": "/api/admin/version",
        "hub": "/api/models/modelyard/tiny-shakespeare-GGUF",
        "worker-cpu-0": "/state",
        "worker-cpu-0's engine": "/state",
    }
    for name, path in asked.items():
        with every_door[name].client(every_door[name].credential) as known:
            assert known.get(path).status_code == 200, name


def test_the_measures_open_to_their_token(
    up: RunningInstance, every_door: dict[str, OpenPort]
) -> None:
    """That of Prometheus, at the gateway and at each worker, and it opens nothing else there."""
    for name, other in (("gateway", "/v1/models"), ("worker-cpu-0", "/state")):
        with every_door[name].client(bearer(up.facts["metrics_token"])) as prometheus:
            assert "modelyard_" in prometheus.get("/metrics").raise_for_status().text
            assert prometheus.get(other).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/api/events/in", "/_stcore/stream", "/v1/chat/completions", "/api/v1/notices"]
)
def test_websockets_are_not_opened_to_foreign_pages(door: OpenPort, path: str) -> None:
    """Nor to anybody: Prefect's asks for the login in its first message, others for it before."""
    assert _opened(door, path, Origin(FOREIGN)) == ""
    if (door.name, path) != ("prefect", "/api/events/in"):
        assert _opened(door, path, None) == ""


@pytest.mark.parametrize("path", ["/api/events/in", "/api/events/out", "/api/logs/out"])
@pytest.mark.parametrize("token", ["wrong", "", None])
def test_prefects_websockets_ask_for_the_login(
    every_door: dict[str, OpenPort], path: str, token: str | None
) -> None:
    """Their first message has to carry it; without the protocol that says so they stay shut."""
    prefect = every_door["prefect"]
    said = json.dumps({"type": "auth", "token": token})
    assert _opened(prefect, path, None, Subprotocol("prefect"), said) == "closed with 1008"
    assert _opened(prefect, path, None) == ""


def _opened(
    door: OpenPort,
    path: str,
    origin: Origin | None,
    protocol: Subprotocol | None = None,
    say: str = "",
) -> str:
    """What became of a websocket: empty where it was refused."""

    async def ask() -> str:
        url = f"ws://{door.listener.address}:{door.listener.port}{path}"
        protocols = [protocol] if protocol else None
        try:
            async with connect(url, origin=origin, subprotocols=protocols, proxy=None) as line:
                await line.send(say)
                return str(await line.recv())
        except InvalidStatus:
            return ""
        except ConnectionClosed as closed:
            return f"closed with {closed.rcvd.code if closed.rcvd else None}"

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"%x\n" % (1 << 127), b"\n"]
)
def test_the_channel_to_flow_runs_knows_its_own_alone(up: RunningInstance, said: bytes) -> None:
    """Prefect's runner listens for the processes it starts; each has a token for one connection."""
    (channel,) = (one for one in listeners(up.process.pid) if name_of(up, one.pid) == "flows")
    assert answer_to(channel, said) == b""


def test_nobody_has_a_deployment_run_a_command(
    up: RunningInstance, every_door: dict[str, OpenPort]
) -> None:
    """Not by the program nor by the page that needed no login for it before."""
    prefect = every_door["prefect"]
    trace = up.data / "trace"
    step = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {trace}"}}
    with prefect.client(prefect.credential) as known:
        before = known.get("/api/deployments/name/ingest/ingest").json()
        for headers in ({}, {"Origin": FOREIGN}, {"Origin": "http://localhost:3000"}):
            with prefect.client() as stranger:
                address = f"/api/deployments/{before['id']}"
                answer = stranger.patch(address, json={"pull_steps": [step]}, headers=headers)
                assert answer.status_code in REFUSED
                assert not any(name.startswith("access-control") for name in answer.headers)
                started = stranger.post(f"{address}/create_flow_run", json={}, headers=headers)
                assert started.status_code in REFUSED
        after = known.get("/api/deployments/name/ingest/ingest").json()
    assert after["pull_steps"] == before["pull_steps"]
    assert not trace.exists()
