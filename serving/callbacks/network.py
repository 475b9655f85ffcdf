"""Posts one callback to an address that was checked: nothing of our own network is ever reached.

The name is looked up once. Every address it has must be allowed, and the connection goes to one of
just these; Host and SNI stay the URL's. No redirect is followed, and no proxy is asked.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelyard.serving.callbacks.address_rules import check_url
from modelyard.serving.callbacks.allowed_hosts import AllowedHosts
from modelyard.serving.callbacks.errors import NotSent
from modelyard.serving.callbacks.global_addresses import Address
from modelyard.serving.callbacks.peer import WatchedPeer
from modelyard.serving.callbacks.resolving import Resolver, resolve
from modelyard.serving.errors import InvalidRequest

if TYPE_CHECKING:
    import ssl

    import httpx2

WHOLE_S = 5.0
"""Seconds for all of it: looking up, connecting, sending, and the answer's head."""

CONNECT_S = 2.0
"""Seconds for one address where there is another."""

FINISH_S = 0.5
"""Seconds that the body of an answer is waited for, once its status is known."""

MOST_ADDRESSES = 3
MOST_ANSWER = 16_384
"""Bytes of an answer's body that are read, and thrown away, before the connection is closed."""


@dataclass(frozen=True, slots=True)
class CallbackMessage:
    """What is posted, and to which URL."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class CallbackNetwork:
    """The way out; its library and the certificates are loaded with the first callback.

    `tls` replaces the system's certificates.
    """

    allowed: AllowedHosts
    resolver: Resolver = resolve
    tls: "ssl.SSLContext | None" = None
    whole_s: float = WHOLE_S
    _transport: "httpx2.AsyncHTTPTransport | None" = field(default=None, init=False)

    async def post(self, message: CallbackMessage) -> int:
        """The status of the answer; raises NotSent."""
        if self._transport is None:
            self._transport = await asyncio.to_thread(_new_transport, self.tls)
        try:
            async with asyncio.timeout(self.whole_s):
                return await self._post(self._transport, message)
        except TimeoutError:
            raise NotSent(f"no answer within {self.whole_s:g} s") from None

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    async def _post(self, transport: "httpx2.AsyncHTTPTransport", message: CallbackMessage) -> int:
        import httpx2

        addresses = await self._addresses(message.url)
        for place, address in enumerate(addresses):
            is_last = place == len(addresses) - 1
            peer = WatchedPeer(address)
            request = _request(message, peer, None if is_last else CONNECT_S)
            try:
                return await _answered(transport, request, peer)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if is_last:
                    raise NotSent(f"no connection: {_reason(error)}") from None
            except httpx2.HTTPError as error:
                raise NotSent(f"no answer: {_reason(error)}") from None
        raise NotSent("its name has no address")

    async def _addresses(self, url: str) -> list[Address]:
        """Where to connect to; raises NotSent unless every address of the name is allowed."""
        try:
            check_url(url, self.allowed)
            host = urlsplit(url).hostname or ""
            addresses = await self.resolver(host)
        except InvalidRequest as error:
            raise NotSent(error.message) from None
        except OSError:
            raise NotSent("its name was not found") from None
        if not all(self.allowed.may_reach(host, address) for address in addresses):
            raise NotSent("its name leads to an address that is not on the internet")
        return addresses[:MOST_ADDRESSES]


def _new_transport(tls: "ssl.SSLContext | None") -> "httpx2.AsyncHTTPTransport":
    """Without the client around it there are no cookies, no redirects and no proxies."""
    import httpx2

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncHTTPTransport(verify=tls or True, limits=limits)


def _request(
    message: CallbackMessage, peer: WatchedPeer, connect_s: float | None
) -> "httpx2.Request":
    import httpx2

    parts = urlsplit(message.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpx2.Request(
        "POST",
        httpx2.URL(
            scheme=parts.scheme, host=str(peer.address), port=parts.port, raw_path=target.encode()
        ),
        headers={**message.headers, "Host": parts.netloc.lower()},
        content=message.body,
        extensions={
            "sni_hostname": (parts.hostname or "").rstrip("."),
            "timeout": {"connect": connect_s},
            "trace": peer,
        },
    )


async def _answered(
    transport: "httpx2.AsyncHTTPTransport", request: "httpx2.Request", peer: WatchedPeer
) -> int:
    try:
        response = await transport.handle_async_request(request)
        try:
            await _let_finish(response)
        finally:
            await response.aclose()
        return response.status_code
    finally:
        await peer.close()


async def _let_finish(response: "httpx2.Response") -> None:
    """Let the receiver end a short answer; what a long or a slow one says is not our business."""
    import httpx2

    read = 0
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(FINISH_S):
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER:
                    return


def _reason(error: Exception) -> str:
    """One line about an error of the library; it speaks of what the user's own host did."""
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
