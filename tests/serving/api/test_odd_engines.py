"""An engine that does not answer in HTTP: the client is told so, and nobody waits for it."""

import asyncio

import pytest

from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 %b Odd\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("status", [b"000", b"099", b"100", b"600", b"999"])
async def test_a_status_that_is_none_is_a_502_with_the_reason(
    lite: Installation, status: bytes
) -> None:
    """In OpenAI's form; each try got the same."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER % status)
        await writer.drain()
        writer.close()

    version = lite.filled.add("talker")
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    lite.worker()
    lite.ready(version, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server, lite.client(lite.ada) as client, asyncio.timeout(60):
        told = await client.post("/v1/completions", json={"model": "talker", "prompt": "a"})
    assert told.status_code == 502
    error = told.json()["error"]
    assert error["code"] == "engine_answer_invalid"
    assert f"its status is {int(status)}" in error["message"]
