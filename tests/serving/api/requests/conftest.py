"""What the tests of requests stand on: a model that answers, and how one is asked for."""

import asyncio
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from modelyard.registry.catalog.model import ModelVersion
from tests.serving.installation import Installation

ENDS_WITHIN_S = 60.0
MODEL = "talker"
SAID = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


@pytest.fixture
def talker(installation: Installation) -> Generator[ModelVersion]:
    """A version of a model that is loaded and answers."""
    version = installation.filled.add(MODEL)
    with installation.engine(version, delay_s=0.001):
        yield version


def id_of(installation: Installation, key: str) -> str:
    return installation.identity.authenticate_key(key).user_id


def asking(user_id: str, **fields: object) -> dict[str, Any]:
    """A submission; `fields` replace what it usually holds, and None leaves one out."""
    usual = {
        "user_id": user_id,
        "model_id": MODEL,
        "type": "inference",
        "timeout": 60_000,
        "payload": SAID,
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


async def ended(client: httpx2.AsyncClient, request_id: str) -> dict[str, Any]:
    """The request once it has ended."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while True:
            told = (await client.get(f"/api/v1/requests/{request_id}")).json()
            if told["status"] in {"completed", "failed", "cancelled"}:
                return told
            await asyncio.sleep(0.02)
