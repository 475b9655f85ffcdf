"""Whole workers that end under load, in good order and by kill -9, behind a real gateway."""

import asyncio
import signal
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx2
import psutil
import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import EngineState
from tests.serving.installation import ALIVE_S, TOKEN, Installation, open_installation
from tests.serving.processes import (
    PATIENT,
    GatewayProcess,
    environment,
    gateway_process,
    until,
    worker_process,
)

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

NODES = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """How one request went: when it began and ended, and whether its answer is whole."""

    begun: float
    over: float
    status: int
    whole: bool
    streamed: bool
    retry_after: str


@dataclass(frozen=True, slots=True)
class ThreeWorkers:
    """Three workers that have the version, and a gateway before them."""

    installation: Installation
    gateway: GatewayProcess
    workers: dict[str, Popen[bytes]]
    version: ModelVersion
    environment: dict[str, str]

    def load(self, version: ModelVersion, *nodes: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for row in self.installation.fleet.workers(ALIVE_S):
            if row.device_id[0] in nodes:
                url = f"{row.url}/engines/{version.id}"
                httpx2.post(url, headers=headers, timeout=120, trust_env=False).raise_for_status()
        until(lambda: self.ready(version) >= {f"{node}-cpu-0" for node in nodes})

    def ready(self, version: ModelVersion) -> set[str]:
        engines = self.installation.fleet.engines(ALIVE_S)
        mine = [e for e in engines if e.version_id == version.id]
        return {e.device_id for e in mine if e.state is EngineState.READY}

    def reported(self, device_id: str) -> int:
        """Requests there, as its worker last said."""
        (worker,) = [
            w for w in self.installation.fleet.workers(ALIVE_S) if w.device_id == device_id
        ]
        return worker.device.requests

    def kill(self, node: str) -> None:
        """End a worker by SIGKILL; returns once its engines have followed it."""
        engines = [
            e for e in self.installation.fleet.engines(ALIVE_S) if e.device_id == f"{node}-cpu-0"
        ]
        processes = [psutil.Process(e.pid) for e in engines if e.pid]
        self.workers[node].kill()
        self.workers[node].wait(60)
        assert psutil.wait_procs(processes, 60)[1] == []

    def devices(self, since: float, count: int) -> set[str]:
        """Where the requests since then were answered, once so many are booked."""
        query = select(UsageRow.device_id).where(UsageRow.at > since * 1000)

        def found() -> list[str]:
            with self.installation.database.read() as session:
                return list(session.scalars(query))

        until(lambda: len(found()) >= count)
        return set(found())

    def client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.installation.ada}"}
        return httpx2.AsyncClient(
            base_url=self.gateway.url,
            headers=headers,
            timeout=240,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        )


@pytest.fixture(scope="module")
def cluster(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[ThreeWorkers]:
    folder = tmp_path_factory.mktemp("workers")
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    ours = {"MODELYARD_WORKER_HEARTBEAT_S": "0.5", "MODELYARD_WORKER_RETURN_S": "30"}
    env = environment(folder) | PATIENT | ours
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(url, folder))
        version = installation.filled.add("talker", delay_s=0.01)
        workers = {
            node: stack.enter_context(worker_process(env | {"MODELYARD_NODE": node}))
            for node in NODES
        }
        gateway = stack.enter_context(gateway_process(env, folder))
        until(lambda: len(installation.fleet.workers(ALIVE_S)) == len(NODES))
        gateway.once_ready()
        cluster = ThreeWorkers(installation, gateway, workers, version, env)
        cluster.load(version, *NODES)
        yield cluster


async def ask(
    client: httpx2.AsyncClient, ended: list[RequestOutcome], *, stream: bool, words: int
) -> None:
    begun = time.time()
    body = {"model": "talker", "prompt": "Say", "max_tokens": words, "stream": stream}
    answer = await client.post("/v1/completions", json=body)
    whole = answer.content.endswith(b"data: [DONE]\n\n") if stream else answer.is_success
    retry = answer.headers.get("Retry-After", "")
    ended.append(RequestOutcome(begun, time.time(), answer.status_code, whole, stream, retry))


async def load(
    cluster: ThreeWorkers, count: int, at: int, act: Callable[[], None]
) -> list[RequestOutcome]:
    """So many requests, twenty a second, every other one streamed; at one of them one ends."""
    ended = list[RequestOutcome]()
    async with cluster.client() as client, asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(ask(client, ended, stream=number % 2 == 0, words=10))
            if number == at:
                act()
            await asyncio.sleep(0.05)
    return ended


async def test_a_fresh_gateway_counts_what_others_have_sent(cluster: ThreeWorkers) -> None:
    """It knows nothing but what the workers report: work goes where the other gateway's is not."""
    alone = cluster.installation.filled.add("alone", delay_s=1.0)
    cluster.load(alone, "b")
    body = {"model": "alone", "prompt": "Say", "max_tokens": 250, "stream": True}
    async with cluster.client() as client, asyncio.TaskGroup() as group:
        asking = [group.create_task(client.post("/v1/completions", json=body)) for _ in range(4)]
        await asyncio.to_thread(until, lambda: cluster.reported("b-cpu-0") == 4)
        async with cluster.installation.client(cluster.installation.ada) as second:
            told = (await second.get("/api/v1/route/explain?model=talker")).json()
        for task in asking:
            task.cancel()
    by_cost = [c["device_id"] for c in told["candidates"]]
    assert by_cost[-1] == "b-cpu-0"
    assert told["candidates"][-1]["decode_s"] > told["candidates"][0]["decode_s"]


async def test_a_worker_that_ends_in_good_order_loses_nothing(cluster: ThreeWorkers) -> None:
    """SIGTERM under load: its streams finish, what is new goes elsewhere, nobody sees an error."""
    ended = await load(cluster, 60, 20, lambda: cluster.workers["a"].send_signal(signal.SIGTERM))
    assert {e.status for e in ended} == {200}
    assert all(e.whole for e in ended)
    assert await asyncio.to_thread(cluster.workers["a"].wait, 60) == 0
    assert {w.device_id for w in cluster.installation.fleet.workers(ALIVE_S)} == {
        "b-cpu-0",
        "c-cpu-0",
    }


async def test_a_killed_worker_costs_its_own_streams_and_nothing_else(
    cluster: ThreeWorkers,
) -> None:
    """Who had received nothing is answered by the other, and so is at once all that comes."""
    killed = list[float]()

    def kill() -> None:
        killed.append(time.time())
        cluster.kill("b")

    ended = await load(cluster, 120, 40, kill)
    (at,) = killed
    broken = [e for e in ended if not e.whole]
    assert {e.status for e in ended} == {200}
    assert all(e.streamed and e.begun <= at <= e.over for e in broken)
    assert len(broken) <= 10
    after = [e for e in ended if e.begun > at]
    assert len(after) > 70
    assert await asyncio.to_thread(cluster.devices, min(e.begun for e in after), 70) == {"c-cpu-0"}


async def test_the_last_worker_is_killed_and_started_anew_and_nobody_is_told(
    cluster: ThreeWorkers,
) -> None:
    """Who was in it without a byte, and who comes meanwhile, waits for the next and is answered."""
    ended = list[RequestOutcome]()
    async with cluster.client() as client, asyncio.TaskGroup() as group:
        first = group.create_task(ask(client, ended, stream=False, words=200))
        await asyncio.to_thread(until, lambda: cluster.reported("c-cpu-0") == 1)
        await asyncio.to_thread(cluster.kill, "c")
        later = [group.create_task(ask(client, ended, stream=True, words=3)) for _ in range(4)]
        with worker_process(cluster.environment | {"MODELYARD_NODE": "c"}):
            await asyncio.gather(first, *later)
    assert [(e.status, e.whole) for e in ended] == [(200, True)] * 5


async def test_without_any_worker_clients_are_told_when_to_come_back(cluster: ThreeWorkers) -> None:
    """The last one has ended too: 503 in OpenAI's form, with Retry-After, not after minutes."""
    ended = list[RequestOutcome]()
    async with cluster.client() as client:
        await asyncio.gather(*(ask(client, ended, stream=n % 2 == 0, words=3) for n in range(6)))
    assert {e.status for e in ended} == {503}
    assert all(int(e.retry_after) > 0 for e in ended)
    assert max(e.over - e.begun for e in ended) < 120
