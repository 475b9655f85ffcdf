"""A receiver of callbacks on loopback, which behaves as a request's path says."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BLOCK = b"x" * 65536
_ENDS = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What arrived; `answers` gives statuses of the next requests to a path, the last one for ever.

    A path that begins with /hang is never answered, /slow-body for ever, /huge with 10 MB, /moved
    with a redirect.
    """

    answers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    got: list[Received] = field(default_factory=list[Received])
    connections: int = 0
    port: int = 0
    _serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator["Receiver"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await server.wait_closed()

    def url(self, path: str, scheme: str = "http", host: str = "receiver.example") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [one for one in self.got if one.path == path]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with contextlib.suppress(*_ENDS):
                received = await _read(reader)
                self.got.append(received)
                await self._answer(received.path, reader, writer)
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _answer(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path.startswith("/hang"):
            await reader.read()  # until the sender has had enough
            return
        if path.startswith("/huge"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n")
            for _ in range(160):
                writer.write(BLOCK)
                await writer.drain()
        elif path.startswith("/slow-body"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx")
            await reader.read()
        elif path.startswith("/moved"):
            to = self.url("/inside", host="127.0.0.1")
            writer.write(f"HTTP/1.1 302 Found\r\nlocation: {to}\r\n".encode())
            writer.write(b"set-cookie: a=b\r\ncontent-length: 0\r\n\r\n")
        else:
            planned = self.answers.get(path, [200])
            status = planned.pop(0) if len(planned) > 1 else planned[0]
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        await reader.read()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(first.split()[1], headers, body)


def certificates(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS of a server of this name, and of a client that trusts just this one."""
    key = ec.generate_private_key(ec.SECP256R1())
    about = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(IPv4Address(1))])
    certificate = (
        x509.CertificateBuilder(about, about, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))
