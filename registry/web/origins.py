"""Which web pages may talk to a server of ours: its own, and those of origins that are listed.

A browser sends requests to this machine for any page that is open in it, and says which page that
is in `Origin`. Programs have no such header, and are let by: they show a credential.
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
    """`listed` are other origins, `*` being every one; `names` what our own pages may call us.

    Without `names` a page is our own when it comes from the very address that it asks. With them
    it cannot come under a foreign name that somebody has pointed at this machine.
    """

    listed: frozenset[bytes] = frozenset()
    names: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, host: str, listed: Iterable[str] = ()) -> Self:
        """For a server that listens on `host`: who listens on loopback is called by its names."""
        names = LOOPBACK if host in {"127.0.0.1", "localhost", "::1"} else frozenset[bytes]()
        return cls(frozenset(origin.encode() for origin in listed), names)

    def admits(self, origin: bytes | None, host: bytes) -> bool:
        """Whether a page of this origin may ask a server that it calls `host`; None is no page."""
        if origin is None or origin in self.listed or b"*" in self.listed:
            return True
        return origin.partition(b"://")[2] == host and self.knows(host)

    def knows(self, host: bytes) -> bool:
        """Whether we may be called so; the port is not part of the name."""
        return not self.names or _name(host) in self.names


@dataclass(frozen=True, slots=True)
class PageGuard:
    """An application that foreign pages, and requests to a foreign name, do not reach.

    `policy` is what browsers are told of its own pages: none is shown inside of a foreign one.
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
    """Whether a browser asks for some page; where none has any business that is enough to know."""
    return any(name == b"origin" for name, _ in headers)


async def refuse(
    scope: Scope, send: Send, status: int, why: bytes, *headers: tuple[bytes, bytes]
) -> None:
    """End a request before its body is read, as text unless told else; a websocket stays shut."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    told = dict([(b"content-type", _TEXT), (b"content-length", b"%d" % len(why)), *headers])
    await send({"type": "http.response.start", "status": status, "headers": [*told.items()]})
    await send({"type": "http.response.body", "body": why})


def _name(host: bytes) -> bytes:
    """`127.0.0.1:80`, `localhost` and `[::1]:80` without their ports."""
    end = host.rfind(b"]") + 1 if host.startswith(b"[") else host.find(b":")
    return (host[:end] if end > 0 else host).lower()
