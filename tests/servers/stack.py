"""The services of docker-compose.yml, started as Docker would, in a network of their own."""

import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.containers.compose import ROOT, ComposeService, read
from tests.servers.containers.images import start_of
from tests.servers.containers.network import ContainerNetwork, private_network

UP_WITHIN_S = 400.0
LOOK_EVERY_S = 1.0
"""Seconds between health checks: each is a process, and takes its time from what is starting."""

PLACES = ("/var/lib", "/run")
"""Folders of this machine over which the stack's own are mounted, inside."""

_NAMED = 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"'
"""Every container has a name of its own, which leads to its address."""

HUB = "hub"
"""The name at which the demo's Hub answers in the network, on port 80."""


@dataclass(slots=True)
class Stack:
    """What runs: each service's process, and a folder with its log."""

    network: ContainerNetwork
    services: dict[str, ComposeService]
    folder: Path
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    healthy: set[str] = field(default_factory=set[str])

    def start(self) -> None:
        """Each service as soon as what it waits for is there; returns when all are."""
        deadline = time.monotonic() + UP_WITHIN_S
        while not self._all_up():
            self._start_next()
            for name, process in self.processes.items():
                may_end = name in self._completed()
                assert may_end or process.poll() is None, f"{name} ended:\n{self.log(name)}"
            waiting = set(self.services) - self.healthy - self._completed()
            assert time.monotonic() < deadline, [(n, self.log(n)[-2000:]) for n in waiting]
            time.sleep(LOOK_EVERY_S)

    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec`: a command where a service runs, to its end."""
        start = start_of(self.services[name])
        process = self._popen(
            name, list(argv), start.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = process.communicate(timeout=UP_WITHIN_S)
        return subprocess.CompletedProcess(argv, process.returncode, out.decode(), err.decode())

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def begin(self, name: str, argv: list[str], environment: Mapping[str, str]) -> None:
        """Start a process under a name of the network."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = self._popen(name, argv, environment, stdout=log, stderr=log)

    def _popen(
        self, name: str, argv: list[str], environment: Mapping[str, str], **streams: int | object
    ) -> "subprocess.Popen[bytes]":
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        clean = {"HOME": str(home), "LANG": "C.UTF-8", **environment}
        folder = ROOT if "-m" in argv else home
        named = ["unshare", "--uts", "sh", "-c", _NAMED, name, *argv]
        return self.network.inside(named, env=clean, cwd=folder, **streams)

    def _all_up(self) -> bool:
        return self.healthy | self._completed() == self.services.keys()

    def _completed(self) -> set[str]:
        """The services that had one thing to do, and have done it."""
        return {
            name
            for name, process in self.processes.items()
            if name in self.services and self.services[name].ends and process.poll() == 0
        }

    def _start_next(self) -> None:
        for name, service in self.services.items():
            if name in self.processes:
                self._look_at(service)
            elif all(self._is_met(other, how) for other, how in service.waits_for.items()):
                start = start_of(service)
                self.begin(name, start.argv, start.environment)

    def _is_met(self, name: str, condition: str) -> bool:
        there = {
            "service_healthy": self.healthy,
            "service_completed_successfully": self._completed(),
        }
        return name in there[condition]

    def _look_at(self, service: ComposeService) -> None:
        check = service.healthcheck if service.name not in self.healthy else None
        if check and self.run(service.name, *check).returncode == 0:
            self.healthy.add(service.name)


@contextmanager
def running_stack(folder: Path, variables: Mapping[str, str]) -> Generator[Stack]:
    """All services and a Hub, up and healthy; `variables` are those of .env."""
    services = read({**variables, "HF_ENDPOINT": f"http://{HUB}"})
    for service in services.values():
        _furnish(service, folder)
    mounts = {_outside(folder, place): place for place in PLACES}
    (folder / "sockets").mkdir()
    with private_network(folder / "sockets", [*services, HUB], mounts) as network:
        assert HUB not in services
        stack = Stack(network, services, folder)
        hub = [
            sys.executable,
            "-m",
            "modelyard.deployments.demo.hub",
            "--host",
            HUB,
            "--port",
            "80",
        ]
        stack.begin(HUB, hub, {})
        try:
            stack.start()
            yield stack
        finally:
            network.end()
            for process in stack.processes.values():
                process.wait(60)


def _furnish(service: ComposeService, folder: Path) -> None:
    """The empty volumes and the files that a service finds when it starts."""
    for place in (*PLACES, *service.volumes.values()):
        _outside(folder, place).mkdir(parents=True, exist_ok=True)
    for place, content in service.configs.items():
        _outside(folder, place).write_text(content)


def _outside(folder: Path, place: str) -> Path:
    return folder / "places" / place.removeprefix("/")
