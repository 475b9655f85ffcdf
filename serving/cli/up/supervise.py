"""Keep a set of child processes running: start, watch, restart with backoff, end all in time."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from modelyard.registry.errors import ModelyardError
from modelyard.registry.process.private_files import append_to
from modelyard.serving.child_process import end_group, start_child
from modelyard.serving.engines.child.ending import ending

STOP_S = 8.0
"""Seconds that children get between SIGTERM and SIGKILL; `modelyard up` promises 10 in all."""

STARTS = 3
"""Times that a child may end before its first answer until the whole start is given up."""

HEALTHY_S = 60.0
"""Seconds after which a child counts as settled and its next restart is quick again."""


class ChildFailed(ModelyardError):
    """A service ends again and again before it ever answers."""

    code = "child_failed"
    exit_code = 10


@dataclass(frozen=True, slots=True)
class Service:
    """One child to keep: its command, what its environment adds, and where it answers 200.

    `authorization` is what it is shown when it is asked whether it is ready. `last`: it gives up
    where the others do not answer yet, so it starts when they do.
    """

    name: str
    argv: tuple[str, ...]
    ready_url: str
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    authorization: str = field(default="", repr=False)
    last: bool = False


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    started: float
    ready: bool = False


@dataclass(slots=True)
class Supervisor:
    """Runs services until `stop`; `changed` is called whenever a child has a new pid.

    All stand in `folder`, which is ours: libraries read settings, and some even code, from where
    they stand, and that is anybody's folder where `up` was called.
    """

    logs: Path
    folder: Path
    changed: Callable[[], None]
    say: Callable[[str], None]
    _children: dict[str, _Child] = field(default_factory=dict[str, _Child])
    _watchers: list[asyncio.Task[int]] = field(default_factory=list[asyncio.Task[int]])

    @property
    def pids(self) -> dict[str, int]:
        return {name: child.process.pid for name, child in self._children.items()}

    async def start(self, service: Service) -> None:
        """Start a service and keep it: from now on an end of the child is a restart."""
        await self._spawn(service)
        self._watchers.append(asyncio.create_task(self._watch(service), name=service.name))

    async def answers(self, service: Service, timeout_s: float) -> None:
        """Wait until the service answers; raises ChildFailed with its last words."""
        deadline = time.monotonic() + timeout_s
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
            while not await _answers(client, service):
                self._raise_if_given_up(service)
                if time.monotonic() > deadline:
                    raise self._failed(service, f"did not answer within {timeout_s:.0f} s")
                await asyncio.sleep(0.1)
        self._children[service.name].ready = True

    def _raise_if_given_up(self, service: Service) -> None:
        watcher = next(w for w in self._watchers if w.get_name() == service.name)
        if watcher.done():
            last = ending(watcher.result())
            what = f"ended {STARTS} times before it answered; the last time it {last}"
            raise self._failed(service, what, last.fix)

    def _failed(self, service: Service, what: str, fix: str = "") -> ChildFailed:
        log = self.log_of(service.name)
        words = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        fix = f"See {log}. {fix}".strip()
        return ChildFailed(f"{service.name} {what}. Its last words:\n{words}", fix=fix)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    async def _spawn(self, service: Service) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with append_to(self.log_of(service.name)) as log:
            process = await start_child(
                *service.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **service.env},
                cwd=self.folder,
            )
        self._children[service.name] = _Child(process, time.monotonic())

    async def _watch(self, service: Service) -> int:
        """Start a child again whenever it ends; the last end's code when that is given up."""
        delay = 0.5
        failures = 0
        while True:
            child = self._children[service.name]
            code = await child.process.wait()
            end_group(child.process, signal.SIGKILL)  # what it may have left behind
            failures += not child.ready
            if failures >= STARTS:
                return code
            settled = time.monotonic() - child.started > HEALTHY_S
            delay = 0.5 if settled else min(delay * 2, 10.0)
            self.say(f"{service.name} {ending(code)}; starting it again in {delay:.0f} s")
            await asyncio.sleep(delay)
            await self._spawn(service)
            self._children[service.name].ready = child.ready
            self.changed()

    async def stop(self) -> None:
        """End every child and its process group: SIGTERM, then SIGKILL after STOP_S seconds."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        running = [child.process for child in self._children.values()]
        for process in running:
            end_group(process, signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in running]
        if waits:
            await asyncio.wait(waits, timeout=STOP_S)
        for process in running:
            end_group(process, signal.SIGKILL)
        await asyncio.gather(*waits)


async def _answers(client: httpx2.AsyncClient, service: Service) -> bool:
    headers = {"Authorization": service.authorization} if service.authorization else {}
    try:
        return (await client.get(service.ready_url, headers=headers)).status_code == 200
    except httpx2.HTTPError:
        return False  # not up yet: the caller asks again until its deadline
