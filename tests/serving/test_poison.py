"""A request that ends its engine is found out, and costs nobody else an answer."""

import asyncio
import re
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import EngineState, EngineView
from tests.serving.installation import ALIVE_S, TOKEN, Installation, open_installation
from tests.serving.processes import (
    PATIENT,
    GatewayProcess,
    environment,
    gateway_process,
    worker_process,
)

pytestmark = [pytest.mark.slow(seconds=110), pytest.mark.anyio]

OURS = {"MODELYARD_WORKER_HEARTBEAT_S": "0.5", "MODELYARD_PARALLEL": "16"}
WORDS = 4
PREFILL_S = 0.5
"""Twice as long as an engine has a request before it ends by it: no other is answered by then."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation with workers of one device each, and a gateway before them."""

    installation: Installation
    gateway: GatewayProcess
    version: ModelVersion
    workers: list[str]

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.gateway.url,
            headers={"Authorization": f"Bearer {self.installation.ada}"},
            timeout=240,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        )

    def ended(self) -> int:
        """How many engines have ended by themselves until now."""
        pages = [self._ask("GET", f"{url}/metrics").text for url in self.workers]
        counts = re.findall(
            r"^modelyard_engine_restarts_total\{.*\} (\d+)", "\n".join(pages), re.MULTILINE
        )
        return sum(map(int, counts))

    def kill(self) -> None:
        """End the one engine from outside, as the kernel does where memory runs out."""
        (view,) = self.ready()
        assert view.pid
        psutil.Process(view.pid).kill()

    def load(self) -> None:
        """Have every worker load it; returns once they all say so."""
        for url in self.workers:
            self._ask("POST", f"{url}/engines/{self.version.id}")
        deadline = time.monotonic() + 120
        while len(self.ready()) < len(self.workers):
            assert time.monotonic() < deadline, "the workers say nothing"
            time.sleep(0.05)

    def ready(self) -> list[EngineView]:
        views = self.installation.fleet.engines(ALIVE_S)
        return [view for view in views if view.state is EngineState.READY]

    def _ask(self, method: str, url: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx2.request(method, url, headers=headers, timeout=120, trust_env=False)
        return answer.raise_for_status()


@contextmanager
def opened(folder: Path, template: Path, nodes: int) -> Generator[Installed]:
    """So many workers, each with an engine of the same version."""
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(template.read_bytes())
    env = environment(folder) | PATIENT | OURS
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(url, folder))
        version = installation.filled.add("talker", delay_s=0.02, prefill_s=PREFILL_S)
        for node in range(nodes):
            stack.enter_context(worker_process(env | {"MODELYARD_NODE": f"n{node}"}))
        gateway = stack.enter_context(gateway_process(env, folder))
        while len(rows := installation.fleet.workers(ALIVE_S)) < nodes:
            time.sleep(0.05)
        gateway.once_ready()
        place = Installed(installation, gateway, version, [row.url for row in rows])
        place.load()
        yield place


@pytest.fixture(scope="module", params=[1, 2, 3])
def place(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Installed]:
    with opened(tmp_path_factory.mktemp("place"), sqlite_template, request.param) as place:
        yield place


@pytest.fixture(scope="module")
def one(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Installed]:
    """One worker, whose engine is everybody's."""
    with opened(tmp_path_factory.mktemp("one"), sqlite_template, 1) as place:
        yield place


@pytest.fixture(scope="module")
def another(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Installed]:
    """The like of it: who has seen many ends of its engine waits longer each time."""
    with opened(tmp_path_factory.mktemp("another"), sqlite_template, 1) as place:
        yield place


async def ask(
    client: httpx2.AsyncClient, prompt: str, *, stream: bool = False, words: int = WORDS
) -> httpx2.Response:
    body = {"model": "talker", "prompt": prompt, "max_tokens": words, "stream": stream}
    return await client.post("/v1/completions", json=body)


async def talk(
    client: httpx2.AsyncClient, prompt: str, begun: asyncio.Event, words: int = 150
) -> bool:
    """A stream, of which the first byte is told; whether it came to its end."""
    body = {"model": "talker", "prompt": prompt, "max_tokens": words, "stream": True}
    read = b""
    async with client.stream("POST", "/v1/completions", json=body) as answer:
        async for part in answer.aiter_bytes():
            begun.set()
            read += part
    return answer.is_success and read.endswith(b"data: [DONE]\n\n")


def is_whole(answer: httpx2.Response, *, stream: bool) -> bool:
    return answer.is_success and (not stream or answer.content.endswith(b"data: [DONE]\n\n"))


def is_refused(answer: httpx2.Response) -> bool:
    """Its own error, which no client of OpenAI's tries again."""
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert "the gateway's log has its id" in error["message"]
    no_more = answer.headers["x-should-retry"] == "false"
    return error["code"] == "request_ends_engines" and no_more


@pytest.mark.parametrize("stream", [True, False])
async def test_one_of_eight_ends_two_engines_and_no_more(place: Installed, *, stream: bool) -> None:
    """The seven others are answered, it is refused; and the same again is refused at once."""
    before = place.ended()
    poison = f"Say [end] {stream}"
    at = 0 if stream else 6
    prompts = [poison if number == at else f"Say {number}" for number in range(8)]
    async with place.client() as client:
        answers = await asyncio.gather(*(ask(client, p, stream=stream) for p in prompts))
        refused = answers.pop(at)
        assert [is_whole(answer, stream=stream) for answer in answers] == [True] * 7
        assert is_refused(refused)
        assert is_refused(await ask(client, poison, stream=stream))
        assert is_refused(await ask(client, poison, stream=not stream))
        assert is_whole(await ask(client, "Say hello", stream=stream), stream=stream)
    assert place.ended() == before + 2


async def test_eight_alike_end_two_engines_and_no_more(one: Installed) -> None:
    """What is found out of one is known of all that ask for the same."""
    before = one.ended()
    async with one.client() as client:
        answers = await asyncio.gather(*(ask(client, "Say [end] alike") for _ in range(8)))
    assert all(is_refused(answer) for answer in answers)
    assert one.ended() == before + 2


async def test_who_comes_after_waits_for_the_trial_and_is_answered(one: Installed) -> None:
    """Nothing else is in the engine that is tried: what comes meanwhile is held, not lost."""
    before = one.ended()
    async with one.client() as client, asyncio.TaskGroup() as group:
        poison = group.create_task(ask(client, "Say [end]"))
        others = [group.create_task(ask(client, "Say it", stream=True))]
        while await asyncio.to_thread(one.ended) == before:
            await asyncio.sleep(0.05)
        while not poison.done():
            others.append(group.create_task(ask(client, f"Say {len(others)}", stream=True)))
            await asyncio.sleep(0.1)
    assert is_refused(poison.result())
    assert {is_whole(other.result(), stream=True) for other in others} == {True}
    assert one.ended() == before + 2


async def test_one_of_many_is_found_all_the_same(another: Installed) -> None:
    """Only the latest are suspected at first: who came before them is tried alone the next time."""
    before = another.ended()
    async with another.client() as client, asyncio.TaskGroup() as group:
        poison = group.create_task(ask(client, "Say [end] first"))
        await asyncio.sleep(PREFILL_S / 4)
        others = [group.create_task(ask(client, f"Say {n}")) for n in range(11)]
    assert is_refused(poison.result())
    assert {other.result().status_code for other in others} == {200}
    assert another.ended() - before in (2, 3)


async def test_what_ends_an_engine_in_the_middle_of_its_answer(another: Installed) -> None:
    """A stream that has begun is not tried again by us; who asks for the same again is alone."""
    before = another.ended()
    async with another.client() as client:
        broken = await ask(client, "Say [end-later]", stream=True, words=60)
        assert (broken.status_code, b"engine_failed" in broken.content) == (200, True)
        again = asyncio.create_task(ask(client, "Say [end-later]", stream=True, words=60))
        others = await asyncio.gather(*(ask(client, f"Say {n}", stream=True) for n in range(4)))
        assert is_refused(await again)
        assert {is_whole(other, stream=True) for other in others} == {True}
    assert another.ended() == before + 2


async def test_an_engine_that_is_killed_gets_nobody_refused(one: Installed) -> None:
    """Killed from outside it costs time: whoever was in it is tried once more, and answered.

    The stream that had begun breaks, and is answered when it comes again, however often.
    """
    begun = asyncio.Event()
    before = one.ended()
    async with one.client() as client, asyncio.TaskGroup() as group:
        broken = group.create_task(talk(client, "Say much", begun))
        await begun.wait()
        asked = [group.create_task(ask(client, f"Say {n}")) for n in range(12)]
        await asyncio.sleep(PREFILL_S / 2)
        await asyncio.to_thread(one.kill)
        assert [(await task).status_code for task in asked] == [200] * 12
        assert not await broken
        for _ in range(2):
            assert is_whole(await ask(client, "Say much", stream=True), stream=True)
    assert one.ended() == before + 1


@pytest.mark.parametrize("place", [2], indirect=True)
async def test_streams_of_another_engine_never_break(place: Installed) -> None:
    """A trial waits for an engine that has nothing to do, and has it for itself."""
    begun = [asyncio.Event(), asyncio.Event()]
    before = place.ended()
    async with place.client() as client, asyncio.TaskGroup() as group:
        talks = [group.create_task(talk(client, f"Say {n}", e)) for n, e in enumerate(begun)]
        await asyncio.gather(*(event.wait() for event in begun))
        poison = group.create_task(ask(client, "Say [end]", stream=True))
        late = asyncio.Event()
        while not poison.done():
            await asyncio.sleep(0.3)
            talks.append(group.create_task(talk(client, f"Say {len(talks)}", late, words=40)))
    assert is_refused(poison.result())
    broken = [n for n, task in enumerate(talks) if not task.result()]
    assert broken in (
        [],
        [0],
        [1],
    )  # which shared the first of its engines with it, if it still did
    assert place.ended() == before + 2
