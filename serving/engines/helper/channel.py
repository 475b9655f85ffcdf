"""Messages between an engine and its helper: JSON with its length in front, over one socket."""

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

_LENGTH = struct.Struct("!Q")


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


@dataclass(frozen=True, slots=True)
class Channel:
    """One end. JSON in ASCII carries every text and number a request can have."""

    socket: socket.socket

    def send(self, data: bytes) -> None:
        """Send what `encoded` gave."""
        self.socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Any:
        """The next message; raises EOFError if the other end is gone, TimeoutError if it waits."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return json.loads(self._exactly(length))

    def _exactly(self, length: int) -> bytes:
        data = bytearray(length)
        view = memoryview(data)
        got = 0
        while got < length:
            count = self.socket.recv_into(view[got:])
            if not count:
                raise EOFError
            got += count
        return bytes(data)

    def close(self) -> None:
        self.socket.close()
