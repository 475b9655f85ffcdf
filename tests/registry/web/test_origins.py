"""Pages of other origins do not reach a server, under whatever name they ask it."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from modelyard.registry.web.origins import PageGuard, Pages, Receive, Scope, Send, from_page

OWN = Pages.of("127.0.0.1")
ANYWHERE = Pages.of("0.0.0.0")  # noqa: S104 - nothing listens there


def test_programs_are_no_pages() -> None:
    """They send no origin, and may call us as they like."""
    assert OWN.admits(None, b"models.example")
    assert not from_page([(b"host", b"x")])
    assert from_page([(b"origin", b"null")])


@pytest.mark.parametrize("name", [b"127.0.0.1:80", b"localhost:4200", b"[::1]:4200", b"localhost"])
def test_our_own_page_is_let_in(name: bytes) -> None:
    """From the very address that it asks."""
    assert OWN.admits(b"http://" + name, name)
    assert OWN.knows(name)


@pytest.mark.parametrize(
    "origin",
    [
        b"http://evil.example",
        b"http://127.0.0.1:3000",
        b"http://localhost:4200",
        b"http://127.0.0.1",
        b"http://127.0.0.1:42000",
        b"http://127.0.0.1:4200.evil.example",
        b"http://user@127.0.0.1:4200",
        b"null",
        b"",
        b"127.0.0.1:4200",
    ],
)
def test_another_page_is_not(origin: bytes) -> None:
    """Another port is another page, and so is whatever only looks like our address."""
    assert not OWN.admits(origin, b"127.0.0.1:4200")
    assert not ANYWHERE.admits(origin, b"127.0.0.1:4200")


def test_a_name_that_was_pointed_at_us_is_foreign() -> None:
    """Where we listen on loopback alone; elsewhere nobody can tell what we are called."""
    assert not OWN.admits(b"http://evil.example:4200", b"evil.example:4200")
    assert not OWN.knows(b"evil.example:4200")
    assert not OWN.knows(b"")
    assert not OWN.knows(b"localhost.evil.example")
    assert ANYWHERE.admits(b"https://models.example", b"models.example")


def test_listed_origins_are_let_in() -> None:
    """Each as it is written, or all of them."""
    listed = Pages.of("127.0.0.1", ["https://app.example"])
    assert listed.admits(b"https://app.example", b"api.example")
    assert not listed.admits(b"http://app.example", b"api.example")
    assert Pages.of("127.0.0.1", ["*"]).admits(b"https://any.example", b"api.example")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:80"}, 200),
        ({"host": "localhost:80", "origin": "http://localhost:80"}, 200),
        ({"host": "localhost:80", "origin": "http://localhost:81"}, 403),
        ({"host": "evil.example:80"}, 403),
        ({}, 403),
    ],
)
async def test_the_guard_stands_before_the_application(
    kind: str, headers: dict[str, str], status: int
) -> None:
    """What is refused never reaches it; what it answers says that nobody may frame it."""
    reached: list[str] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing of a request is read here")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    await PageGuard(app, OWN)({"type": kind, "headers": raw}, receive, send)
    assert reached == ([kind] if status == 200 else [])
    if status == 200:
        assert (b"content-security-policy", b"frame-ancestors 'self'") in sent[0]["headers"]
    elif kind == "websocket":
        assert sent == [{"type": "websocket.close", "code": 1008}]
    else:
        assert sent[0]["status"] == status
