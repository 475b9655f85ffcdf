"""One engine child process: start it, wait until it is ready, watch it, stop it."""

import asyncio
import contextlib
import json
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.errors import ErrorKind
from modelyard.registry.process.python import python_module
from modelyard.serving.child_process import end_group, start_child
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.errors import ModelUnloadable, ServingError
from modelyard.serving.worker.last_words import OutputTail
from modelyard.serving.worker.residency.host_memory import HostMemoryWatch

COMMAND = python_module("modelyard.serving.engines.process.server", "--config", "-")


class EngineCrashed(ServingError):
    """An engine process ended unexpectedly."""

    code = "engine_crashed"
    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class EngineReady:
    """An engine's address, and its load time in seconds, memory in bytes and `footprint` by part.

    `slots` is the number of requests it runs at once; 0 if it batches requests as they come.
    """

    url: str
    slots: int
    load_s: float
    memory_bytes: int
    footprint: Footprint


@dataclass(slots=True)
class EngineProcess:
    """A running engine; it exits when its standard input closes, so the worker keeps that open."""

    name: str
    ready: EngineReady
    _process: Process
    _words: OutputTail
    _readers: list[asyncio.Task[None]]
    _memory: HostMemoryWatch
    _fault: str = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> EngineCrashed:
        """Wait until the process ends by itself; return the error that says how."""
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        if fault := self._fault or self._memory.fault:
            return _ended_for(self.name, fault)
        return _crash(self.name, code, self._words)

    def kill(self, fault: str) -> None:
        """End it at once because it `fault`, as `ended` will say."""
        self._fault = self._fault or fault
        end_group(self._process, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """Send SIGTERM so that it finishes its requests; after `grace_s` seconds send SIGKILL."""
        await _stop(self._process, grace_s)
        await asyncio.gather(*self._readers)


@dataclass(frozen=True, slots=True)
class EngineStarter:
    """Starts engines on one device; `environment` limits them to that device."""

    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    command: tuple[str, ...] = COMMAND

    async def start(self, config: EngineConfig) -> EngineProcess:
        """Start a child and wait until it is ready.

        Raises EngineCrashed if it dies, ModelUnloadable if it refuses the model or takes too long.
        """
        child = await self._spawn(config)
        words = OutputTail()
        assert child.stdout is not None and child.stderr is not None  # noqa: S101, PT018  PIPEs
        readers = [asyncio.create_task(_listen(child.stderr, words))]
        memory = HostMemoryWatch(child, config.host_memory_most)
        if config.host_memory_most:
            readers.append(asyncio.create_task(memory.run()))
        try:
            ready = await self._until_ready(child, config, words, readers)
        except BaseException as error:
            await _stop(child, 0.0)
            await asyncio.gather(*readers)
            if memory.fault and isinstance(error, EngineCrashed):
                raise _ended_for(config.model_name, memory.fault) from None
            raise
        readers.append(asyncio.create_task(_listen(child.stdout, words)))
        return EngineProcess(config.model_name, ready, child, words, readers, memory)

    async def _spawn(self, config: EngineConfig) -> Process:
        try:
            return await start_child(
                *self.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=child_environment(config.format) | dict(self.environment),
            )
        except OSError as error:
            what = f"The engine of {config.model_name} could not be started: {error}."
            raise EngineCrashed(what) from error

    async def _until_ready(
        self,
        child: Process,
        config: EngineConfig,
        words: OutputTail,
        readers: list[asyncio.Task[None]],
    ) -> EngineReady:
        try:
            async with asyncio.timeout(self.timeout_s):
                report = await _report(child, config, words)
        except TimeoutError:
            raise ModelUnloadable(
                f"{config.model_name} was not loaded within {self.timeout_s:.0f} s.",
                fix="Raise MODELYARD_ENGINE_START_TIMEOUT_S, or check the device's load.",
            ) from None
        if report is None:
            code = await child.wait()
            await asyncio.gather(*readers)
            raise _crash(config.model_name, code, words)
        if (refused := report.get("error")) is not None:
            raise ModelUnloadable(refused["message"], fix=refused["fix"])
        footprint = Footprint(**report["footprint"])
        return EngineReady(
            report["url"],
            int(report["slots"]),
            float(report["load_s"]),
            footprint.total,
            footprint,
        )


async def _report(child: Process, config: EngineConfig, words: OutputTail) -> dict[str, Any] | None:
    """Send the child its settings and read its JSON line; None if it ends without one."""
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018  PIPEs
    with contextlib.suppress(ConnectionError):  # the child died at once: its exit status says more
        child.stdin.write(config.model_dump_json().encode() + b"\n")
        await child.stdin.drain()
    async for line in child.stdout:
        report = _object(line)
        if report is not None:
            return report
        words.hear(line)
    return None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None  # a line that a library printed
    return value if isinstance(value, dict) and ("url" in value or "error" in value) else None


async def _listen(stream: asyncio.StreamReader, words: OutputTail) -> None:
    while data := await stream.read(65536):
        words.hear(data)


async def _stop(child: Process, grace_s: float) -> None:
    end_group(child, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            await child.wait()
    end_group(child, signal.SIGKILL)
    await child.wait()


def _ended_for(name: str, fault: str) -> EngineCrashed:
    return EngineCrashed(
        f"The engine of {name} {fault} and was ended.",
        fix="It is started anew. The log of the worker has its last words.",
    )


def _crash(name: str, code: int, words: OutputTail) -> EngineCrashed:
    ended = ending(code)
    said = f" Its last words: {' | '.join(words.lines[-3:])}" if words.lines else ""
    fix = ended.fix or "The log of the worker has its last words."
    return EngineCrashed(f"The engine of {name} {ended}.{said}", fix=fix)
