"""Process 1 of a private network: sets it up, then does what it is told on standard input.

Run as a module under unshare with one JSON document: names with their addresses, and folders or
files with the places that they are mounted over. Answers each line with one.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_SET_ADDRESS = 0x8916
_SET_FLAGS = 0x8914
_SET_MASK = 0x891C
_UP = 0x1
_LISTEN = "0A"


def set_up(names: dict[str, str], mounts: list[list[str]]) -> None:
    """Loopback is up, has an address for each name, and the names lead there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _up(control, "lo")
        for number, address in enumerate(names.values()):
            label = f"lo:{number}".encode()
            fcntl.ioctl(control, _SET_ADDRESS, _request(label, address))
            fcntl.ioctl(control, _SET_MASK, _request(label, "255.255.255.255"))
    for source, target in mounts:
        subprocess.run(["mount", "--bind", source, target], check=True)


def _up(control: socket.socket, interface: str) -> None:
    fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", interface.encode(), _UP))


def _request(label: bytes, address: str) -> bytes:
    where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    return struct.pack("16s16s8x", label, where)


def listening() -> list[tuple[str, int]]:
    """Address and port of every TCP socket of this network that takes connections."""
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    ours = [row[1].split(":") for row in rows if row[3] == _LISTEN]
    return sorted({(_address(where), int(port, 16)) for where, port in ours})


def _address(digits: str) -> str:
    """The kernel writes each four bytes as a number of this machine."""
    words = [struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def relay(path: str, address: str, port: int) -> None:
    """From now on connections to a socket file go to an address inside."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)

    def accept() -> None:
        while True:
            outside, _ = listener.accept()
            try:
                inside = socket.create_connection((address, port))
            except OSError:
                outside.close()
                continue
            for a, b in ((outside, inside), (inside, outside)):
                threading.Thread(target=_pump, args=(a, b), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _reap() -> None:
    """Process 1 inherits the orphans."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def main() -> None:
    order = json.loads(sys.argv[1])
    set_up(order["names"], order["mounts"])
    _say(None)
    for line in sys.stdin:
        match json.loads(line):
            case ["relay", path, address, port]:
                relay(path, address, port)
                _say(None)
            case _:
                _say(listening())
        _reap()


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
