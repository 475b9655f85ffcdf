"""A network, a file tree and processes of their own on this machine, as containers have them.

Needs the right to make namespaces: root's, or the kernel's leave for everybody.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

_NEW = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
_FIRST_ADDRESS = 2


@dataclass(frozen=True, slots=True)
class ContainerNetwork:
    """Names that lead to addresses of their own; nothing else leads in or out but by `socket`."""

    folder: Path
    names: Mapping[str, str]
    _holder: "subprocess.Popen[str]"
    _inner_pid: int

    def inside(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a program there; options are Popen's."""
        user = [] if _is_root() else ["--user", "--preserve-credentials"]
        enter = ["nsenter", "--target", str(self._inner_pid), "--net", "--mount", "--pid", *user]
        # The folder is entered there, since it may be mounted there only.
        at = [f"--wdns={options.pop('cwd')}"] if "cwd" in options else []
        return subprocess.Popen[bytes]([*enter, *at, *argv], **options)

    def listening(self) -> list[tuple[str, int]]:
        """What the kernel says takes connections there."""
        return [(address, port) for address, port in self._ask("listening")]

    def socket(self, name: str, port: int) -> str:
        """The path of a socket file that leads to a name's port."""
        path = self.folder / f"{name}-{port}.sock"
        if not path.exists():
            self._ask("relay", str(path), self.names.get(name, name), port)
        return str(path)

    def client(self, name: str, port: int, **options: Any) -> httpx2.Client:
        """A client that calls a name's port by that name; options are httpx2's."""
        transport = httpx2.HTTPTransport(uds=self.socket(name, port))
        base = f"http://{name}:{port}"
        return httpx2.Client(transport=transport, base_url=base, timeout=120, **options)

    def end(self) -> None:
        """SIGKILL for all that runs there; what `inside` has started is to be waited for."""
        self._holder.kill()
        self._holder.wait(60)

    def _ask(self, *order: object) -> Any:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(json.dumps(order) + "\n")
        self._holder.stdin.flush()
        return json.loads(self._holder.stdout.readline())


@contextmanager
def private_network(
    folder: Path, names: Sequence[str], mounts: Mapping[Path, str]
) -> Generator[ContainerNetwork]:
    """Ends with all that runs in it; `mounts` are put over places of this machine's files."""
    addresses = {name: f"10.77.0.{_FIRST_ADDRESS + n}" for n, name in enumerate(names)}
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{ip} {name}\n" for name, ip in addresses.items()) + _LOCALHOST)
    over = {hosts: "/etc/hosts", **mounts}
    order = {"names": addresses, "mounts": [[str(s), t] for s, t in over.items()]}
    user = [] if _is_root() else ["--user", "--map-root-user"]
    inner = [sys.executable, "-m", "tests.servers.containers.network_holder", json.dumps(order)]
    holder = subprocess.Popen(
        ["unshare", *user, *_NEW, *inner],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield ContainerNetwork(folder, addresses, holder, _first_inside(holder))
    finally:
        holder.kill()
        holder.communicate()


_LOCALHOST = "127.0.0.1 localhost\n::1 localhost\n"


def _first_inside(holder: "subprocess.Popen[str]") -> int:
    """The id out here of process 1 in there, once it is ready."""
    assert holder.stdout is not None
    if not holder.stdout.readline():
        _, problem = holder.communicate()
        pytest.fail(
            f"These tests start the servers of docker-compose.yml in namespaces of their own, and "
            f"may not make them here: {problem.strip()}\nRun them as root (in a container with "
            "--privileged), or let users make namespaces (sysctl kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns)."
        )
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
    return int(children[0])


def _is_root() -> bool:
    return os.geteuid() == 0
