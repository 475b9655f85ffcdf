"""A residency over a device whose memory the test decides, with real engine processes."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import psutil

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.registry.fleet.memory_observations import MemoryObservations
from modelyard.serving.worker.activity import ActivityReader
from modelyard.serving.worker.devices.telemetry import Telemetry
from modelyard.serving.worker.llama_trial import Computable, Everything
from modelyard.serving.worker.residency.engine_process import COMMAND, EngineStarter
from modelyard.serving.worker.residency.eviction import restart_delay
from modelyard.serving.worker.residency.forecast import Forecaster
from modelyard.serving.worker.residency.launch import Launch
from modelyard.serving.worker.residency.residency import Residency
from modelyard.serving.worker.residency.watchdog import WatchdogLimits
from tests.serving.worker.filled_catalog import FilledCatalog

TOKEN = "t" * 32
MIB = 1 << 20
LONG = 240
"""Words of an answer that does not end while a test looks; the context holds a few more."""


@dataclass(slots=True)
class PaperDevice:
    """A device that is as large, and as well, as it is told to be."""

    memory: int = 1 << 40
    reason: str = ""
    device_id: str = "paper-0"
    is_gpu: bool = False
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def facts(self) -> DeviceFacts:
        status = DeviceStatus.ERROR if self.reason else DeviceStatus.AVAILABLE
        return DeviceFacts(
            gpu_id=self.device_id,
            name="Paper",
            status=status,
            uptime=0.0,
            reason=self.reason,
            memory_total=self.memory,
            memory_free=self.memory,
        )


@dataclass(slots=True)
class ResidencyHarness:
    """The residency under test, and a client that asks its engines."""

    residency: Residency
    device: PaperDevice
    session: aiohttp.ClientSession
    others: frozenset[int]

    def engines(self) -> list[psutil.Process]:
        """The children that this harness has started."""
        return [c for c in psutil.Process().children() if c.pid not in self.others]

    async def words(self, url: str, count: int, arrived: list[float]) -> None:
        """Stream an answer of `count` words; when each arrived. Raises when the stream breaks."""
        body = {"prompt": "Say", "max_tokens": count, "stream": True}
        async with self.session.post(f"{url}/v1/completions", json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    assert "error" not in json.loads(line[6:])
                    arrived.append(time.monotonic())

    @asynccontextmanager
    async def listening(self, url: str) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
        """Somebody streams a long answer meanwhile; what is given waits for more words of it."""
        arrived: list[float] = []
        stream = asyncio.create_task(self.words(url, LONG, arrived))

        async def goes_on() -> None:
            heard = len(arrived)
            await self.until(lambda: len(arrived) > heard + 1 or stream.done())
            assert len(arrived) > heard, stream

        await goes_on()
        yield goes_on
        stream.cancel()
        await asyncio.wait({stream})

    async def until(self, is_so: Callable[[], bool], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_harness(
    catalog_files: FilledCatalog,
    *,
    memory: int = 1 << 40,
    command: tuple[str, ...] = COMMAND,
    patience_s: float = 60.0,
    computable: Computable | None = None,
    answer_s: float = 60.0,
    delay: Callable[[int, float], float] = restart_delay,
    watchdog: WatchdogLimits | None = None,
) -> AsyncGenerator[ResidencyHarness]:
    """Engines and devices have time to answer: a machine that stands still is not a dead one."""
    device = PaperDevice(memory)
    others = frozenset(child.pid for child in psutil.Process().children())
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {TOKEN}"}) as session:
        residency = Residency(
            versions=catalog_files.versions,
            forecaster=Forecaster(MemoryObservations(catalog_files.catalog.db), "paper"),
            launch=Launch("127.0.0.1", TOKEN, 0, 2, 1, 0, drain_s=60.0),
            starter=EngineStarter(120.0, command=command),
            telemetry=await Telemetry.open(device, answer_s=60.0),
            reader=ActivityReader(session, answer_s),
            memory_fraction=0.9,
            changed=lambda: None,
            patience_s=patience_s,
            computable=computable or Everything(),
            restart_delay=delay,
            watchdog=watchdog or WatchdogLimits(),
        )
        try:
            yield ResidencyHarness(residency, device, session, others)
        finally:
            await residency.close()
