"""A whole worker process: it registers, serves, comes back, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx2
import psutil
import pytest

from modelyard.registry.fleet.fleet import Fleet, WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.secrets import internal_token
from tests.serving.worker.filled_catalog import FilledCatalog

pytestmark = pytest.mark.slow
SECRET = "s" * 40
_COMMAND = """
import aiohttp
from modelyard.registry.console import Commands
from modelyard.serving.cli.worker import attach
from modelyard.serving.worker import activity, supervisor
supervisor.DRAIN_S, activity.ANSWER = 120, aiohttp.ClientTimeout(total=60)
attach(commands := Commands())
commands.root()
"""
"""The worker, patient with a machine that stands still."""


@dataclass(frozen=True, slots=True)
class WorkerMachine:
    """One machine's data folder, with workers started on it."""

    folder: Path
    catalog_files: FilledCatalog

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.catalog_files.catalog.db)

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        env = {
            **os.environ,
            "MODELYARD_DATA_DIR": str(self.folder),
            "MODELYARD_SECRET_KEY": SECRET,
            "MODELYARD_WORKER_HEARTBEAT_S": "0.2",
        }
        argv = [sys.executable, "-c", _COMMAND, "worker", "--device", "cpu-0", *options]
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen(argv, env=env, stdout=log, stderr=log)

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()

    def row(self) -> WorkerView | None:
        return next(iter(self.fleet.workers(live_within_s=600)), None)

    async def until(self, is_so: Callable[[], object], within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, self.log()
            await asyncio.sleep(0.02)

    async def load(self, version_id: str) -> str:
        """Ask the registered worker for a version; the engine's address."""
        row = self.row()
        assert row is not None
        async with httpx2.AsyncClient(headers=_headers(), timeout=120) as client:
            answer = await client.post(f"{row.url}/engines/{version_id}")
            return answer.raise_for_status().json()["url"]


def _headers() -> dict[str, str]:
    return {"authorization": f"Bearer {internal_token(SECRET)}"}


@pytest.fixture
def installation(tmp_path: Path, catalog_files: FilledCatalog) -> WorkerMachine:
    """The data folder in which the filled catalog's database and store lie."""
    return WorkerMachine(tmp_path, catalog_files)


@asynccontextmanager
async def working(
    installation: WorkerMachine, *options: str
) -> AsyncGenerator["subprocess.Popen[bytes]"]:
    """A worker that has registered; killed at the end if the test has not ended it."""
    process = installation.start(*options)
    try:
        await installation.until(
            lambda: (row := installation.row()) is not None and row.pid == process.pid
        )
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_worker_says_what_it_is_and_what_it_has_loaded(installation: WorkerMachine) -> None:
    """Its row has the device's facts and a fresh heartbeat; a loaded version's row is ready."""
    version = installation.catalog_files.add("a/one")
    async with working(installation) as process:
        first = installation.row()
        assert first is not None
        assert (first.device_id, first.pid) == ("cpu-0", process.pid)
        assert first.device.memory_total
        url = await installation.load(version.id)
        await installation.until(
            lambda: [e for e in installation.fleet.engines() if e.state == "ready"]
        )
        (engine,) = installation.fleet.engines()
        assert (engine.version_id, engine.url) == (version.id, url)
        assert engine.memory_bytes > 0
        await installation.until(
            lambda: (
                (row := installation.row()) is not None and row.heartbeat_at > first.heartbeat_at
            )
        )


async def test_a_killed_worker_leaves_no_engine_and_its_successor_takes_over(
    installation: WorkerMachine,
) -> None:
    """Kill -9: its engines end too; a new worker has the same row, with nothing loaded."""
    versions = [installation.catalog_files.add(f"a/{name}") for name in ("one", "two")]
    async with working(installation) as process:
        for version in versions:
            await installation.load(version.id)
        children = psutil.Process(process.pid).children(recursive=True)
        engines = [
            child
            for child in children
            if "modelyard.serving.engines.process.server" in child.cmdline()
        ]
        assert len(engines) == 2
        process.kill()
        process.wait()
        await installation.until(lambda: not any(e.is_running() for e in engines))
    async with working(installation) as successor:
        row = installation.row()
        assert row is not None
        assert row.pid == successor.pid
        assert installation.fleet.engines() == []
        await installation.load(versions[0].id)


async def test_sigterm_lets_streams_finish_and_removes_the_rows(
    installation: WorkerMachine,
) -> None:
    """The worker leaves the fleet while a stream goes on, and ends once that is whole."""
    version = installation.catalog_files.add("a/one", delay_s=0.04)
    async with (
        working(installation) as process,
        aiohttp.ClientSession(headers=_headers()) as session,
    ):
        url = await installation.load(version.id)
        body = {"prompt": "Say", "max_tokens": 240}
        whole = asyncio.create_task(_said(session, url, body))
        await installation.until(
            lambda: (row := installation.row()) and row.device.active_requests == 1
        )
        process.send_signal(signal.SIGTERM)
        await installation.until(lambda: installation.row() is None)
        assert not whole.done()
        assert (await whole) == 240
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert installation.fleet.engines() == []


async def _said(session: aiohttp.ClientSession, url: str, body: Mapping[str, object]) -> int:
    async with session.post(f"{url}/v1/completions", json=body) as answer:
        return (await answer.json())["usage"]["completion_tokens"]


async def test_a_second_worker_for_one_device_is_refused(installation: WorkerMachine) -> None:
    """While the first answers, the second ends with the reason; the first goes on."""
    async with working(installation) as first:
        second = installation.start()
        assert await asyncio.to_thread(second.wait, 60) != 0
        assert "has a worker already" in installation.log()
        assert "MODELYARD_NODE" in installation.log()
        row = installation.row()
        assert row is not None
        assert row.pid == first.pid


async def test_a_preloaded_model_is_ready_unasked(installation: WorkerMachine) -> None:
    """`--preload` loads by name; a name nobody knows is logged, and the worker lives on."""
    version = installation.catalog_files.add("a/one")
    async with working(installation, "--preload", "a/none", "--preload", "a/one@champion"):
        await installation.until(
            lambda: [e for e in installation.fleet.engines() if e.state == "ready"]
        )
        assert installation.fleet.engines()[0].version_id == version.id
        assert "preload_failed" in installation.log()


async def test_a_worker_whose_row_was_lost_registers_again(installation: WorkerMachine) -> None:
    """The next heartbeat brings back the row and its engines."""
    version = installation.catalog_files.add("a/one")
    async with working(installation):
        await installation.load(version.id)
        installation.fleet.remove_worker("cpu-0")
        await installation.until(
            lambda: installation.row() is not None and installation.fleet.engines()
        )


async def test_a_worker_that_was_replaced_ends_and_leaves_the_row_alone(
    installation: WorkerMachine,
) -> None:
    """Frozen for a while and taken for dead: it sees its successor, and goes."""
    async with working(installation) as process:
        installation.fleet.register_worker("cpu-0", "http://127.0.0.1:9", 1, DeviceReport())
        assert await asyncio.to_thread(process.wait, 60) != 0
        assert "was taken over" in installation.log()
        row = installation.row()
        assert row is not None
        assert row.url == "http://127.0.0.1:9"
