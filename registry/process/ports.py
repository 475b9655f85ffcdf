"""Chooses and opens TCP ports, with a clear error if one is not available."""

import errno
import os
import socket

from modelyard.registry.errors import PortInUse

LOOPBACK = "127.0.0.1"

_NOT_HERE = (errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN)


def choose_port(wanted: int, option: str, host: str = LOOPBACK) -> int:
    """The wanted port if it is free, or any free one for 0; raises PortInUse naming `option`."""
    with listen(wanted, option, host) as probe:
        return int(probe.getsockname()[1])


def prefer_port(usual: int, host: str = LOOPBACK) -> int:
    """The usual port if it is free, so that addresses stay the same; otherwise any free one."""
    try:
        return choose_port(usual, "", host)
    except PortInUse:
        return choose_port(0, "", host)


def listen(port: int, option: str, host: str) -> socket.socket:
    """A listening socket; raises PortInUse naming the option that sets another port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        number = error.errno or 0
        if number in _NOT_HERE:
            raise PortInUse(
                f"Cannot listen on '{host}': this machine has no such address.",
                fix="Name one of its own, such as 127.0.0.1, or 0.0.0.0 for all of them.",
            ) from None
        raise PortInUse(
            f"Cannot listen on {host}, port {port}: {os.strerror(number)}.",
            fix=f"End what holds it, or pass another one with {option} (0 means any free).",
        ) from None
