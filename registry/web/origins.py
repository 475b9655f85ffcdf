"""Decides which web pages may send requests to a server: its own, and those of listed origins.

A browser sends requests to this machine on behalf of any open page, and names the page in `Origin`.
Programs send no such header and are admitted: they present a credential.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Self

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
REFUSED = b"Pages of other origins may not talk to this server.\n"
UNFRAMED = b"frame-ancestors 'self'"
_TEXT = b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Pages:
    """`listed` are other allowed origins (`*` allows all); `names` are this server's host names.

    Without `names`, a page is our own if its origin equals the host it asks. With them, it must
    also use one of these names, which stops DNS rebinding: a foreign name pointed at this machine.
    """

    listed: frozenset[bytes] = frozenset()
    names: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, host: str, listed: Iterable[str] = ()) -> Self:
        """Pages for a server listening on `host`; on loopback its names are the loopback names."""
        names = LOOPBACK if host in {"127.0.0.1", "localhost", "::1"} else frozenset[bytes]()
        return cls(frozenset(origin.encode() for origin in listed), names)

    def admits(self, origin: bytes | None, host: bytes) -> bool:
        """Whether a page of this origin may send requests to `host`; None: no page is asking."""
        if origin is None or origin in self.listed or b"*" in self.listed:
            return True
        return origin.partition(b"://")[2] == host and self.knows(host)

    def knows(self, host: bytes) -> bool:
        """Whether `host` is one of this server's names; the port is ignored."""
        return not self.names or _name(host) in self.names


@dataclass(frozen=True, slots=True)
class PageGuard:
    """An ASGI application that rejects foreign pages and requests to a foreign host name.

    `policy` is the content security policy of its own pages, which keeps foreign pages from framing
    them.
    """

    app: App
    pages: Pages
    policy: bytes = UNFRAMED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif self._admits(scope):
            await self.app(scope, receive, self._with_policy(send))
        else:
            await refuse(scope, send, 403, REFUSED)

    def _with_policy(self, send: Send) -> Send:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = (b"content-security-policy", self.policy)
                message["headers"] = [*message.get("headers", ()), told]
            await send(message)

        return send_with_policy

    def _admits(self, scope: Scope) -> bool:
        headers = dict[bytes, bytes](scope["headers"])
        host = headers.get(b"host", b"")
        return self.pages.knows(host) and self.pages.admits(headers.get(b"origin"), host)


def from_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a web page made the request, for servers that no page may use."""
    return any(name == b"origin" for name, _ in headers)


async def refuse(
    scope: Scope, send: Send, status: int, why: bytes, *headers: tuple[bytes, bytes]
) -> None:
    """Answer a request before its body is read, as text by default; close a websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    told = dict([(b"content-type", _TEXT), (b"content-length", b"%d" % len(why)), *headers])
    await send({"type": "http.response.start", "status": status, "headers": [*told.items()]})
    await send({"type": "http.response.body", "body": why})


def _name(host: bytes) -> bytes:
    """A host such as `127.0.0.1:80`, `localhost` or `[::1]:80` without the port."""
    end = host.rfind(b"]") + 1 if host.startswith(b"[") else host.find(b":")
    return (host[:end] if end > 0 else host).lower()
