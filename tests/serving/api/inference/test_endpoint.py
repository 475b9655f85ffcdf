"""What middleware does for every other route, the hot path does by itself."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.serving.installation import SCRAPING, Installation, running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
ASK = {"model": "talker", "messages": [{"role": "user", "content": "Say it"}], "max_tokens": 1}


@asynccontextmanager
async def patient(app: FastAPI, key: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client to which an error inside is an answer, as over a socket."""
    async with running(app) as asgi:
        transport = httpx2.ASGITransport(asgi, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers=headers
        ) as client:
            yield client


async def test_a_listed_origin_may_read_the_answer(lite: Installation) -> None:
    """A browser on another site gets what CORS needs, refusals too; others get nothing of it."""
    version = lite.filled.add("talker")
    origin = {"Origin": "https://app.example"}
    with lite.engine(version):
        async with lite.client(lite.ada, cors_origins="https://app.example") as client:
            good = await client.post(CHAT, json=ASK, headers=origin)
            bad = await client.post(CHAT, json={"model": "nobody"}, headers=origin)
            foreign = await client.post(CHAT, json=ASK, headers={"Origin": "https://evil.example"})
    for answer in (good, bad):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["X-Request-Id"]
    assert foreign.status_code == 403
    assert foreign.json()["error"]["code"] == "foreign_origin"
    assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_a_mistake_of_ours_is_a_500_in_openai_s_form(lite: Installation) -> None:
    """With the request's id, counted as what it is; nothing of the mistake leaves the gateway."""
    app = lite.app()
    async with patient(app, lite.ada) as client:
        app.state.services = replace(app.state.services, gateway=None)
        answer = await client.post(CHAT, json=ASK, headers={"X-Request-Id": "mine"})
        text = (await client.get("/metrics", headers=SCRAPING)).text
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "serving_error"
    assert "NoneType" not in answer.text
    assert answer.headers["X-Request-Id"] == "mine"
    assert 'model="other",route="/v1/chat/completions",status="500"} 1.0' in text


async def test_every_other_route_tells_of_a_mistake_likewise(lite: Installation) -> None:
    """With the request's id and the headers that a page of a listed origin needs to read it."""
    app = lite.app(cors_origins="https://app.example")
    marks = {"X-Request-Id": "mine", "Origin": "https://app.example"}
    async with patient(app, lite.ada) as client:
        app.state.services = replace(app.state.services, queries=None)
        for path in ("/v1/models", "/api/v1/gpus"):
            answer = await client.get(path, headers=marks)
            assert answer.status_code == 500
            assert answer.headers["X-Request-Id"] == "mine"
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


async def test_a_mistake_of_ours_is_one_line_in_the_log(
    lite: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the key nor the prompt is in it."""
    app = lite.app()
    async with patient(app, lite.ada) as client:
        app.state.services = replace(app.state.services, gateway=None)
        capsys.readouterr()
        assert (await client.post(CHAT, json=ASK)).status_code == 500
    (line,) = capsys.readouterr().err.splitlines()
    assert "AttributeError" in line or "TypeError" in line  # the latter where it is compiled
    assert len(line) < 1000
    assert lite.ada not in line
    assert "Say it" not in line


async def test_refusals_carry_the_request_s_id(lite: Installation) -> None:
    """At the door, for the body, and for the model."""
    async with lite.client(lite.ada) as client:
        for answer in (
            await client.post(CHAT, json=ASK, headers={"Authorization": "Bearer wrong"}),
            await client.post(CHAT, content=b" " * (9 * 1024 * 1024)),
            await client.post(CHAT, json={"model": "nobody"}),
        ):
            assert answer.status_code in {401, 413, 404}
            assert len(answer.headers["X-Request-Id"]) == 32


async def test_other_methods_are_refused_as_everywhere(lite: Installation) -> None:
    """The framework knows the address and says which method it takes."""
    async with lite.client(lite.ada) as client:
        answer = await client.get(CHAT)
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_every_request_is_a_line_of_the_access_log(
    lite: Installation, tmp_path: Path
) -> None:
    """Answered or refused: who, when, which status; a name that is not there is not repeated."""
    log = tmp_path / "access.jsonl"
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada, access_log=str(log), user_rpm=3) as client:
            for given in (ASK, {"model": "nobody"}, {"model": 5}, ASK, ASK):
                await client.post(CHAT, json=given)
            await client.post(CHAT, json=ASK, headers={"Authorization": "Bearer wrong"})
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines.sort(key=lambda line: line["at"])
    assert sorted(line["status"] for line in lines) == ["200", "200", "400", "401", "404", "429"]
    ada = lite.identity.authenticate_key(lite.ada).user_id
    for line in lines:
        refused = line["status"] != "200"
        assert line["kind"] == ("refused" if refused else "request")
        assert line["user_id"] == ("" if line["status"] == "401" else ada)
        assert line["model"] == ("other" if refused else "talker")
        assert line["route"] == CHAT
