"""Completions through the application, answered by engine processes that really run."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.serving.installation import NOBODY, SCRAPING, Installation, device_report, once_it_speaks

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"


def ask(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Say something"}], **more}


def text_of(events: bytes) -> str:
    datas = [line[6:] for line in events.decode().splitlines() if line.startswith("data: {")]
    chunks = [json.loads(data) for data in datas]
    return "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])


async def test_an_answer_passes_with_its_version_and_id(installation: Installation) -> None:
    """The engine's answer comes back unchanged, with the version and the request named."""
    version = installation.filled.add("owner/talker")
    with installation.engine(version):
        async with installation.client(installation.ada) as client:
            answer = await client.post(CHAT, json=ask("owner/talker@champion", max_tokens=3))
    assert answer.status_code == 200
    assert answer.headers["X-Modelyard-Version"] == "owner/talker@1"
    assert answer.headers["X-Request-Id"]
    body = answer.json()
    assert body["model"] == "owner/talker@champion"
    assert body["choices"][0]["message"]["content"].split() == ["All", "the", "world"]
    assert body["usage"]["completion_tokens"] == 3


async def test_a_stream_passes_event_by_event(lite: Installation) -> None:
    """Server-sent events arrive as the engine writes them, marked not to be buffered."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            answer = await client.post(CHAT, json=ask("talker", max_tokens=4, stream=True))
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert text_of(answer.content).split() == ["All", "the", "world", "is"]
    assert answer.content.endswith(b"data: [DONE]\n\n")


async def test_a_text_completion_passes(lite: Installation) -> None:
    """The older completions call goes the same way."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            body = {"model": "talker", "prompt": "Say", "max_tokens": 2}
            answer = await client.post("/v1/completions", json=body)
    assert answer.json()["choices"][0]["text"].split() == ["All", "the"]


async def test_embeddings_pass(lite: Installation) -> None:
    """They go the same way; whether the model makes any is the engine's to say."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            answer = await client.post("/v1/embeddings", json={"model": "talker", "input": "x"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_endpoint"
    assert "/v1/embeddings needs an embedding model" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
async def test_tokenising_passes(lite: Installation, path: str) -> None:
    """Beside /v1, in the same form: refusals of the gateway and of the engine."""
    version = lite.filled.add("talker")
    body = {"model": "talker", "prompt": "x"} if path == "/tokenize" else {"tokens": [1]}
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            known = await client.post(path, json={"model": "talker"} | body)
            unknown = await client.post(path, json=body | {"model": "nobody"})
    assert known.json()["error"]["code"] == "unsupported_endpoint"
    assert unknown.json()["error"]["code"] == "model_not_found"


async def test_what_the_engine_refuses_keeps_its_status(lite: Installation) -> None:
    """A wrong parameter is the engine's to explain; the gateway passes it on."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            answer = await client.post(CHAT, json=ask("talker", temperature=9))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "temperature"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{nonsense", 400, "invalid_value", None),
        (b"[]", 400, "invalid_value", None),
        (b"\xff\xfe", 400, "invalid_value", None),
        (b'{"messages": []}', 400, "invalid_value", "model"),
        (b'{"model": 5}', 400, "invalid_value", "model"),
        (b'{"model": "no good name!"}', 400, "invalid_name", None),
        (b'{"model": "owner/unknown"}', 404, "model_not_found", None),
        (b'{"model": "talker@9"}', 404, "model_not_found", None),
        (b'{"a": ' * 5000, 400, "invalid_value", None),
    ],
)
async def test_a_bad_body_is_explained_in_openai_s_form(
    lite: Installation, body: bytes, status: int, code: str, param: str | None
) -> None:
    """Wrong JSON, wrong types and unknown models name what is wrong."""
    lite.filled.add("talker")
    async with lite.client(lite.ada) as client:
        answer = await client.post(CHAT, content=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


async def test_a_body_beyond_eight_megabytes_is_a_413(lite: Installation) -> None:
    """Whether it announces its length or not."""

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(9):
            yield b" " * 1024 * 1024

    async with lite.client(lite.ada) as client:
        announced = await client.post(CHAT, content=b" " * (9 * 1024 * 1024))
        counted = await client.post(CHAT, content=endless())
    for answer in (announced, counted):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"


async def test_a_private_model_is_unknown_to_others(installation: Installation) -> None:
    """A foreign private model and a missing one answer the same."""
    installation.private("owner/secret", installation.admin)
    async with installation.client(installation.ada) as client:
        foreign = await client.post(CHAT, json=ask("owner/secret"))
        missing = await client.post(CHAT, json=ask("owner/nothing"))
    assert foreign.status_code == missing.status_code == 404
    hidden = foreign.text.replace("owner/secret", "owner/nothing")
    assert hidden == missing.text


async def test_without_a_worker_it_is_a_503_that_says_what_to_do(lite: Installation) -> None:
    """Nobody to ask: try later, and here is how to start one."""
    lite.filled.add("talker")
    async with lite.client(lite.ada) as client:
        answer = await client.post(CHAT, json=ask("talker"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["error"]["code"] == "no_worker"
    assert "modelyard worker" in answer.json()["error"]["message"]


async def test_a_dead_engine_costs_one_more_try_elsewhere(lite: Installation) -> None:
    """A request whose engine is gone before the first byte goes to another one."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        lite.worker("cpu-1")
        lite.ready(version, NOBODY, "cpu-1")
        lite.fleet.heartbeat("cpu-0", device_report(status="busy", active_requests=9))
        async with lite.client(lite.ada) as client:
            answer = await client.post(CHAT, json=ask("talker", max_tokens=1))
    assert answer.status_code == 200


async def test_an_engine_that_dies_in_a_stream_leaves_an_error_event(lite: Installation) -> None:
    """The client is told that the answer broke off: by an event, not by a cut connection."""
    version = lite.filled.add("talker")
    with lite.engine(version, delay_s=0.3) as engine:
        async with lite.client(lite.ada) as client, asyncio.TaskGroup() as group:
            body = ask("talker", stream=True, max_tokens=400)
            asking = group.create_task(client.post(CHAT, json=body))
            await once_it_speaks(engine)
            engine.process.kill()
    answer = asking.result()
    last = answer.content.rstrip().split(b"\n\n")[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "engine_failed"


async def test_counts_carry_known_names_only(lite: Installation) -> None:
    """Ten made-up model names and routes add no series; the catalog's model has its own."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            await client.post(CHAT, json=ask("talker", max_tokens=1))
            for i in range(10):
                await client.post(CHAT, json=ask(f"made/up-{i}"))
                await client.get(f"/api/v1/made-up-{i}")
            text = (await client.get("/metrics", headers=SCRAPING)).text
    counted = [line for line in text.splitlines() if line.startswith("modelyard_requests_total{")]
    assert (
        'modelyard_requests_total{model="talker",route="/v1/chat/completions",status="200"} 1.0'
        in counted
    )
    assert (
        'modelyard_requests_total{model="other",route="/v1/chat/completions",status="404"} 10.0'
        in counted
    )
    assert not any("made" in line for line in counted)
    assert 'modelyard_first_byte_seconds_count{model="talker"} 1.0' in text
