"""The gateway tells engines who asks, so that prompts are remembered for their own tenant only."""

from pathlib import Path

import pytest

from tests.models.tiny import Tiny
from tests.serving.engines.processes import engine_process
from tests.serving.installation import TOKEN, Installation

pytestmark = pytest.mark.anyio


async def test_what_one_user_asked_is_not_cached_for_another(
    lite: Installation, tmp_path: Path
) -> None:
    """Not even for one who claims to be the other."""
    version = lite.filled.add("writer")
    path = Tiny(endless=True).write(tmp_path / "writer.gguf")
    body = {"model": "writer", "prompt": "def run(self, value): return it", "max_tokens": 2}
    ada = lite.identity.authenticate_key(lite.ada).user_id
    cached = list[int]()
    with engine_process(
        format="gguf", path=str(path), internal_token=TOKEN, version_id=version.id
    ) as engine:
        lite.worker()
        lite.ready(version, engine.url)
        for key in (lite.ada, lite.ada, lite.admin):
            async with lite.client(key) as client:
                answer = await client.post(
                    "/v1/completions", json=body, headers={"X-Modelyard-Tenant": ada}
                )
            cached.append(answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"])
    assert cached[0] == cached[2] == 0
    assert cached[1] > 5
