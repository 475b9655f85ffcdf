"""The enumeration that other tests rely on misses no kind of socket."""

import os
import socket
from pathlib import Path

from tests.servers.listening import listeners


def test_every_kind_of_listening_socket_is_found(tmp_path: Path) -> None:
    """TCP, UDP and Unix sockets, each by what it is bound to; a client's end is none of them."""
    path = str(tmp_path / "socket")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("", 0), family=socket.AF_INET6) as tcp6,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.create_connection(tcp.getsockname()) as client,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(path)
        unix.listen()
        found = {(one.kind, one.where) for one in listeners(os.getpid())}
        ports = {name: s.getsockname()[1] for name, s in (("tcp", tcp), ("6", tcp6), ("udp", udp))}
        mine = client.getsockname()[1]
    assert found >= {
        ("tcp", f"127.0.0.1:{ports['tcp']}"),
        ("tcp6", f":::{ports['6']}"),
        ("udp", f"127.0.0.1:{ports['udp']}"),
        ("unix", path),
    }
    assert not any(where.endswith(f":{mine}") for _, where in found)
