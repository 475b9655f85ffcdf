"""The unmodified OpenAI clients through a real gateway, a real worker and its engine processes."""

import http.client
import json
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import psutil
import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import EngineState
from tests.serving.installation import ALIVE_S, TOKEN, Installation, open_installation
from tests.serving.processes import (
    PATIENT,
    GatewayProcess,
    environment,
    gateway_process,
    worker_process,
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class GatewayAndWorker:
    """Gateway and worker over one installation, and a client of each kind."""

    installation: Installation
    gateway: GatewayProcess
    client: openai.OpenAI
    control: httpx2.Client

    def engine_pid(self, version: ModelVersion) -> int:
        for engine in self.installation.fleet.engines(ALIVE_S):
            if engine.version_id == version.id and engine.state is EngineState.READY:
                assert engine.pid is not None
                return engine.pid
        raise AssertionError("it is not loaded")

    def url(self, version: ModelVersion) -> str:
        """Where its engine answers."""
        return next(
            e.url for e in self.installation.fleet.engines(ALIVE_S) if e.version_id == version.id
        )


@pytest.fixture(scope="module")
def whole(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[GatewayAndWorker]:
    folder = tmp_path_factory.mktemp("whole")
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    env = environment(folder) | PATIENT
    with (
        open_installation(url, folder) as installation,
        gateway_process(env, folder) as gateway,
        worker_process(env),
    ):
        gateway.once_ready()
        with (
            _openai(gateway, installation.ada) as client,
            _control() as control,
        ):
            yield GatewayAndWorker(installation, gateway, client, control)


def _openai(gateway: GatewayProcess, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=240)


def _control() -> httpx2.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.Client(headers=headers, timeout=60, trust_env=False)


def _until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def talker(whole: GatewayAndWorker) -> ModelVersion:
    return whole.installation.filled.add("owner/talker")


def test_a_chat_loads_the_version_and_answers(
    whole: GatewayAndWorker, talker: ModelVersion
) -> None:
    """The first request makes the worker load it; usage and model are the client's."""
    answer = whole.client.chat.completions.create(
        model="owner/talker", messages=[{"role": "user", "content": "Hello"}], max_tokens=3
    )
    assert answer.choices[0].message.content == "All the world"
    assert answer.model == "owner/talker"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_a_stream_arrives_in_pieces_with_usage_last(
    whole: GatewayAndWorker, talker: ModelVersion
) -> None:
    """The client iterates as over OpenAI's own."""
    chunks = list(
        whole.client.chat.completions.create(
            model="owner/talker@1",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "All the world is a"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


def test_a_stream_is_not_held_back(whole: GatewayAndWorker) -> None:
    """Pieces arrive while the engine still writes, not all at the end."""
    version = whole.installation.filled.add("slow", delay_s=0.5)
    with whole.client.completions.create(
        model="slow", prompt="Say", max_tokens=200, stream=True
    ) as stream:
        pieces = iter(stream)
        assert [next(pieces).choices[0].text.strip() for _ in range(2)] == ["All", "the"]
        assert _active(whole, whole.url(version)) == 1


@pytest.mark.anyio
async def test_the_asynchronous_client_works_too(
    whole: GatewayAndWorker, talker: ModelVersion
) -> None:
    """Whole and streamed."""
    async with openai.AsyncOpenAI(
        base_url=f"{whole.gateway.url}/v1", api_key=whole.installation.ada, max_retries=0
    ) as client:
        whole_answer = await client.completions.create(
            model="owner/talker", prompt="Say", max_tokens=2
        )
        stream = await client.completions.create(
            model="owner/talker", prompt="Say", max_tokens=2, stream=True
        )
        text = "".join([c.choices[0].text async for c in stream if c.choices])
    assert whole_answer.choices[0].text.strip() == text.strip() == "All the"


def test_errors_are_the_client_s_own_classes(whole: GatewayAndWorker, talker: ModelVersion) -> None:
    """Unknown model, wrong key and wrong parameter raise what OpenAI's would."""
    with pytest.raises(openai.NotFoundError) as unknown:
        whole.client.completions.create(model="owner/nobody", prompt="x")
    assert unknown.value.code == "model_not_found"
    with _openai(whole.gateway, "my_wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError) as wrong:
        whole.client.completions.create(model="owner/talker", prompt="x", temperature=7)
    assert wrong.value.param == "temperature"


def test_a_client_that_leaves_frees_its_place(whole: GatewayAndWorker) -> None:
    """Closing a stream ends the engine's work long before the answer, of 100 s, would have."""
    version = whole.installation.filled.add("endless", delay_s=0.5)
    stream = whole.client.completions.create(
        model="endless", prompt="Say", max_tokens=200, stream=True
    )
    next(iter(stream))
    url = whole.url(version)
    assert _active(whole, url) == 1
    stream.close()
    _until(lambda: _active(whole, url) == 0)


def test_a_client_that_leaves_an_unstreamed_answer_frees_its_place(whole: GatewayAndWorker) -> None:
    """Also where nothing has been sent yet."""
    version = whole.installation.filled.add("endless2", delay_s=0.5)
    whole.client.completions.create(model="endless2", prompt="Say", max_tokens=1)
    url = whole.url(version)
    body = json.dumps({"model": "endless2", "prompt": "Say", "max_tokens": 200})
    client = http.client.HTTPConnection(whole.gateway.url.removeprefix("http://"), timeout=60)
    client.request(
        "POST", "/v1/completions", body, {"Authorization": f"Bearer {whole.installation.ada}"}
    )
    _until(lambda: _active(whole, url) == 1)
    client.close()
    _until(lambda: _active(whole, url) == 0)


def _active(whole: GatewayAndWorker, url: str) -> int:
    return int(whole.control.get(f"{url}/state").json()["active"])


def test_a_killed_engine_is_brought_back_within_the_request(
    whole: GatewayAndWorker, talker: ModelVersion
) -> None:
    """The client that comes after the kill notices nothing but time."""
    client = whole.client
    client.completions.create(model="owner/talker", prompt="Say", max_tokens=1)
    for _ in range(3):
        _until(lambda: _is_ready(whole, talker))
        psutil.Process(whole.engine_pid(talker)).kill()
        answer = client.completions.create(model="owner/talker", prompt="Say", max_tokens=1)
        assert answer.choices[0].text.strip() == "All"


def _is_ready(whole: GatewayAndWorker, version: ModelVersion) -> bool:
    return any(
        e.version_id == version.id
        and e.state is EngineState.READY
        and psutil.pid_exists(e.pid or 0)
        for e in whole.installation.fleet.engines(ALIVE_S)
    )


def test_many_at_once_all_get_their_answer(whole: GatewayAndWorker, talker: ModelVersion) -> None:
    """More than the engine works on at a time: the others wait their turn."""
    client = whole.client

    def ask(_: int) -> str:
        answer = client.completions.create(model="owner/talker", prompt="Say", max_tokens=4)
        return answer.choices[0].text.strip()

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(48))) == {"All the world is"}
