"""A gateway that listens, with an engine behind it, and OpenAI's own client before it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types import Batch

from modelyard.serving.transport.listening.connections import Connections
from tests.serving.installation import Installation
from tests.serving.transport.listening.server import listening

CHAT = "/v1/chat/completions"
WITHIN_S = 120.0
ENDS = {"completed", "failed", "expired", "cancelled"}


def line(custom_id: str, model: str = "talker", **body: Any) -> bytes:
    """One line of a batch's file, which asks for two words."""
    told = {"model": model, "messages": [{"role": "user", "content": custom_id}], "max_tokens": 2}
    whole = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": told | body}
    return json.dumps(whole).encode() + b"\n"


def lines(count: int, **body: Any) -> bytes:
    return b"".join(line(f"line-{number}", **body) for number in range(1, count + 1))


@asynccontextmanager
async def client_of(
    installation: Installation, key: str = "", **serving: object
) -> AsyncGenerator[AsyncOpenAI]:
    """The unmodified client, over a real connection."""
    async with listening(installation.app(**serving), Connections()) as port:
        url = f"http://127.0.0.1:{port}"
        async with (
            DefaultAsyncHttpxClient(trust_env=False, timeout=WITHIN_S) as http,
            AsyncOpenAI(
                base_url=f"{url}/v1", api_key=key or installation.ada, http_client=http
            ) as client,
        ):
            await _listens(client)
            yield client


async def _listens(client: AsyncOpenAI) -> None:
    """Wait until the application has started."""
    while True:
        try:
            await client.models.list()
        except Exception:  # noqa: BLE001  it does not listen yet
            await asyncio.sleep(0.05)
        else:
            return


async def uploaded(client: AsyncOpenAI, content: bytes) -> str:
    """The id of a new file with these lines."""
    file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
    return file.id


async def begun(client: AsyncOpenAI, content: bytes, endpoint: Any = CHAT) -> Batch:
    """A new batch of these lines."""
    return await client.batches.create(
        input_file_id=await uploaded(client, content), endpoint=endpoint, completion_window="24h"
    )


async def until(client: AsyncOpenAI, batch: Batch, statuses: Iterable[str] = ENDS) -> Batch:
    """The batch once it is in one of these states."""
    wanted = set(statuses)
    async with asyncio.timeout(WITHIN_S):
        while (now := await client.batches.retrieve(batch.id)).status not in wanted:
            await asyncio.sleep(0.05)
    return now


async def answers(client: AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    """The lines of a batch's file, by their custom_id."""
    assert file_id is not None
    told = (await client.files.content(file_id)).text.splitlines()
    return {line["custom_id"]: line for line in map(json.loads, told)}
