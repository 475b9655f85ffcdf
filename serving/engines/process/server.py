"""The engine process: settings on standard input, one model, an HTTP server, one ready line.

`python -m modelyard.serving.engines.process.server --config -` reads one line of JSON
(`EngineConfig`), and prints one line: `{"url", "slots", "load_s", "memory_bytes", "footprint"}`
when it answers, or `{"error": {code, message, fix}}` before it exits with 3. `slots` are the
requests that it works on at a time, 0 where those that come share batches. It ends at once when
standard input closes or its parent dies, and finishes what it has (`drain_s`) on SIGTERM.
"""

import argparse
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import NoReturn, cast

import uvicorn

from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import set_up
from modelyard.registry.process.private_files import keep_private
from modelyard.serving.engines.child.memory_limit import limit_memory
from modelyard.serving.engines.config import EngineConfig, read_config
from modelyard.serving.engines.process.application import EngineApplication
from modelyard.serving.engines.process.formats import LoadResult, load_engine
from modelyard.serving.engines.process.lifetime import end_with_stdin
from modelyard.serving.engines.report import StartupReport
from modelyard.serving.parent_death import die_with_parent
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.descriptors import raised, room_of
from modelyard.serving.transport.listening.serve import bounded
from modelyard.serving.transport.stalled import LOOK_S, Peer, Stalled

EXIT_UNLOADABLE = 3


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A loaded version and its load time in seconds."""

    config: EngineConfig
    loaded: LoadResult
    load_s: float


class EngineServer(uvicorn.Server):
    """uvicorn that prints its address once it listens."""

    def __init__(self, config: uvicorn.Config, report: StartupReport, ready: LoadedVersion) -> None:
        super().__init__(config)
        self._report = report
        self._ready = ready
        self._stalled = Stalled[Peer]()
        self._looked_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        footprint = self._ready.loaded.footprint()
        engine = self._ready.loaded.model.snapshot()
        self._report.line(
            url=f"http://{host}:{port}",
            slots=0 if engine.batches else engine.slots,
            load_s=round(self._ready.load_s, 3),
            memory_bytes=footprint.total,
            footprint=footprint.as_json(),
        )

    async def on_tick(self, counter: int) -> bool:
        """Disconnect stalled clients; exit if the engine died, so that the worker restarts it."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._end_unread(now)
        return await super().on_tick(counter) or not self._ready.loaded.model.snapshot().alive

    def _end_unread(self, now: float) -> None:
        """Disconnect clients that stopped reading: their unread answers still hold memory."""
        connections = cast("set[Peer]", self.server_state.connections)
        for peer, seconds in self._stalled.look(connections, now).items():
            if seconds > self._ready.config.unread_s:
                peer.transport.abort()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="modelyard.serving.engines.process.server", description=__doc__
    )
    parser.add_argument("--config", choices=["-"], required=True, help="settings come on stdin")
    parser.parse_args()
    keep_private()
    set_up("console")  # the worker shows its last lines to people
    die_with_parent()
    signal.signal(signal.SIGTERM, _leave)
    report = StartupReport.on_stdout()
    try:
        config = read_config(sys.stdin.readline())
        if config.memory_limit:
            limit_memory(config.memory_limit)
        end_with_stdin()
        ready = _load(config)
    except ModelyardError as error:
        report.error(error)
        return EXIT_UNLOADABLE
    _serve(ready, report)
    return 0


def _load(config: EngineConfig) -> LoadedVersion:
    begun = time.monotonic()
    loaded = load_engine(config)
    return LoadedVersion(config, loaded, time.monotonic() - begun)


def _serve(ready: LoadedVersion, report: StartupReport) -> None:
    loaded = ready.loaded
    config = bounded(
        EngineApplication(loaded.model, ready.config, loaded.endpoints, ready.load_s).build(),
        Connections(most=room_of(raised())),
        timeout_graceful_shutdown=max(1, round(ready.config.drain_s)),
    )
    listener = socket.create_server((ready.config.host, 0), backlog=512)
    EngineServer(config, report, ready).run(sockets=[listener])


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
