"""Where Redis is and how to log in: host or socket, TLS, user, password, database."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelyard.serving.admission.pipe import Pipe

CONNECT_S = 1.0
"""Seconds that connecting may take; no request waits for it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed Redis URL, in any form that redis-py accepts.

    Connecting may take `connect_s` seconds.
    """

    parts: dict[str, Any]
    tls: ssl.SSLContext | None
    connect_s: float = CONNECT_S

    @classmethod
    def of(cls, url: str, connect_s: float = CONNECT_S) -> "Address":
        from redis.asyncio.connection import SSLConnection, parse_url

        parts: dict[str, Any] = dict(parse_url(url))
        if parts.get("connection_class") is not SSLConnection:
            return cls(parts, None, connect_s)
        options = {name: value for name, value in parts.items() if name != "connection_class"}
        return cls(parts, SSLConnection(**options).ssl_context.get(), connect_s)

    async def connect(self, lost: Callable[[], None]) -> Pipe:
        """Connect and log in; raises OSError, TimeoutError or RedisGone."""
        async with asyncio.timeout(self.connect_s):
            pipe = await self._open(lost)
        try:
            for command in self._greeting():
                await pipe.ask(*command)
        except BaseException:
            pipe.end("it does not let us in")
            raise
        return pipe

    async def _open(self, lost: Callable[[], None]) -> Pipe:
        loop = asyncio.get_running_loop()
        if path := self.parts.get("path"):
            return (await loop.create_unix_connection(lambda: Pipe(lost, self.connect_s), path))[1]
        host = self.parts.get("host", "localhost")
        port = self.parts.get("port", 6379)
        name = host if self.tls else None
        _, pipe = await loop.create_connection(
            lambda: Pipe(lost, self.connect_s), host, port, ssl=self.tls, server_hostname=name
        )
        return pipe

    def _greeting(self) -> list[tuple[str, ...]]:
        user = self.parts.get("username")
        password = self.parts.get("password")
        credential = [part for part in (user, password) if part]
        login: list[tuple[str, ...]] = [("AUTH", *credential)] if password else []
        database = self.parts.get("db")
        choice: list[tuple[str, ...]] = [("SELECT", str(database))] if database else []
        return [*login, *choice, ("CLIENT", "SETNAME", "modelyard-gate")]
