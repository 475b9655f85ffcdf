"""Clients on plain sockets that ask for a stream and read it as tests want, or never."""

import json
import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

SMALL = 4096
"""Bytes that the kernel keeps for a client, so that what it does not read is soon seen."""

END = b"\r\n0\r\n\r\n"


@dataclass(slots=True)
class StreamClient(AbstractContextManager["StreamClient"]):
    """One connection with one request; what was read is `heard`."""

    connection: socket.socket
    heard: bytearray = field(default_factory=bytearray)

    @classmethod
    def ask(cls, url: str, key: str, body: dict[str, Any], path: str = "/v1/completions") -> Self:
        at = urlsplit(url)
        sent = json.dumps({"stream": True} | body)
        connection = socket.socket()
        connection.settimeout(120)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        connection.connect((at.hostname, at.port))
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Length: {len(sent)}\r\n\r\n{sent}".encode()
        )
        return cls(connection)

    def read(self, most: int = 1 << 20) -> bool:
        """Take at most so many bytes; False at the end of the connection."""
        try:
            part = self.connection.recv(most)
        except ConnectionResetError:
            return False
        self.heard += part
        return bool(part)

    def until(self, end: bytes) -> bool:
        """Read until something stands at the end of it; False where it does not come."""
        while end not in self.heard[-2 * SMALL :]:
            if not self.read(SMALL):
                return False
        return True

    def finish(self) -> bool:
        """Read the rest; whether the stream came to its own end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while not self.heard.endswith(END):
            if not self.read():
                return False
        return b"data: [DONE]" in self.heard[-200:]

    @property
    def events(self) -> int:
        return self.heard.count(b"data: {")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()
