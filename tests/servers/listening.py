"""What a process and its children listen on, as the kernel has it."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import psutil

_LISTENS = "0A"
_BOUND = "07"
_ACCEPTS = 0x10000
"""A Unix socket that takes connections has this flag."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket that waits for strangers: `where` is an address with a port, or a path."""

    pid: int
    kind: str
    where: str
    address: IPv4Address | IPv6Address | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"


def listeners(root: int) -> list[ListeningSocket]:
    """Every listening TCP and Unix socket and every bound UDP socket of a process and its kind."""
    family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    owners = {inode: process.pid for process in family for inode in _sockets(process.pid)}
    found = [*_internet(owners, "tcp", _LISTENS), *_internet(owners, "udp", _BOUND)]
    return [*found, *_unix(owners)]


def _sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets; one that ends meanwhile has none."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _internet(owners: dict[str, int], kind: str, state: str) -> Iterator[ListeningSocket]:
    for version in ("", "6"):
        for line in Path(f"/proc/net/{kind}{version}").read_text().splitlines()[1:]:
            fields = line.split()
            inode = fields[9]
            local = fields[1]
            if inode in owners and fields[3] == state:
                address, port = _address(local)
                where = f"{address}:{port}"
                yield ListeningSocket(owners[inode], f"{kind}{version}", where, address, port)


def _address(local: str) -> tuple[IPv4Address | IPv6Address, int]:
    """`0100007F:1F90` as an address and a port: words of four bytes in the machine's order."""
    packed, _, port = local.partition(":")
    words = [int(packed[i : i + 8], 16) for i in range(0, len(packed), 8)]
    return ip_address(b"".join(struct.pack("=I", word) for word in words)), int(port, 16)


def _unix(owners: dict[str, int]) -> Iterator[ListeningSocket]:
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if fields[6] in owners and int(fields[3], 16) & _ACCEPTS:
            yield ListeningSocket(owners[fields[6]], "unix", fields[7] if len(fields) > 7 else "")


def answer_to(listener: ListeningSocket, sent: bytes) -> bytes:
    """What a bare connection gets for these bytes until the other side ends it."""
    with socket.create_connection((str(listener.address), listener.port), timeout=60) as line:
        line.sendall(sent)
        got = bytearray()
        with suppress(ConnectionResetError):
            while part := line.recv(4096):
                got += part
    return bytes(got)
