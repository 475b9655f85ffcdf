"""Nothing of a worker or an engine is reached without the token, by whatever way."""

from typing import Any

import pytest

from modelyard.serving.engines.process.guard import InternalGuard

TOKEN = "t" * 32
HEADER = (b"authorization", f"Bearer {TOKEN}".encode())


async def asked(kind: str, path: str, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    """What is sent; the application behind the guard says that it was reached."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def receive() -> Any:
        raise AssertionError("nothing of a request is read here")

    async def send(message: Any) -> None:
        sent.append(message)

    guard = InternalGuard(app, TOKEN, {"/metrics": "m" * 32})
    await guard({"type": kind, "path": path, "headers": list(headers)}, receive, send)
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_token_opens(kind: str) -> None:
    """Requests and websockets alike, and the server's own start and end need none."""
    assert await asked(kind, "/state", HEADER) == [{"type": "reached"}]
    assert await asked("lifespan", "") == [{"type": "reached"}]


@pytest.mark.parametrize("path", ["/state", "/metrics", "/nothing", ""])
@pytest.mark.parametrize(
    "headers", [(), ((b"authorization", b"Bearer wrong"),), (HEADER, (b"origin", b"http://a"))]
)
async def test_all_else_is_refused(path: str, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Unread, and whether there is such an address or not."""
    assert (await asked("http", path, *headers))[0]["status"] == 401
    assert await asked("websocket", path, *headers) == [{"type": "websocket.close", "code": 1008}]


async def test_a_token_for_one_path_opens_that_alone() -> None:
    """Prometheus reads the measures and does nothing else."""
    measures = (b"authorization", b"Bearer " + b"m" * 32)
    assert await asked("http", "/metrics", measures) == [{"type": "reached"}]
    assert await asked("http", "/metrics", HEADER) == [{"type": "reached"}]
    assert (await asked("http", "/state", measures))[0]["status"] == 401
