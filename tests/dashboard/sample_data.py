"""What there is to see on the pages: a user, a device, two versions and two runs."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile, Visibility
from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.database import Database
from modelyard.registry.fleet.device_history import DeviceHistory, Sample
from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.dashboard.sample_requests import SampleRequests, hand_in
from tests.serving.metering.rows import row

MODEL = "owner/tiny"
PREFECT_RUN = "5fc9a2c1-9a9f-4c3f-8f1d-2b6f4a5f5a10"
PASSWORD = "correct horse battery staple"
LICENCE = "![x](http://evil.example/x.png)"
"""As a hostile model card would have it."""

DEVICE = {
    "gpu_id": "cpu-0",
    "name": "Processor of the test",
    "status": "available",
    "reason": "",
    "compute_capability": None,
    "memory_total": 16 * 2**30,
    "memory_used": 4 * 2**30,
    "memory_free": 12 * 2**30,
    "utilization": 0.25,
    "temperature": None,
    "power_usage": None,
    "power_limit": None,
    "queued_requests": 0,
    "performance_index": 1.0,
    "performance_samples": 0,
    "error_rate": None,
    "uptime": 3700.0,
}


BROKEN = {
    **DEVICE,
    "gpu_id": "gpu-1",
    "name": "Broken card",
    "status": "error",
    "reason": "The driver has lost the card.",
    "memory_used": None,
    "utilization": None,
}


@dataclass(frozen=True, slots=True)
class Scenery:
    """What a test needs to log in, and to be thrown out."""

    key: str
    identity: Identity
    requests: SampleRequests

    def beat(self) -> None:
        """Signs of life of the devices, whose worker does not run."""
        for device in (DEVICE, BROKEN):
            Fleet(self.identity.db).heartbeat(str(device["gpu_id"]), DeviceReport.from_json(device))


def put_up(db: Database, secret: str) -> Scenery:
    """Seed a migrated database through the registry's own doors."""
    identity = Identity(db, secret)
    identity.create_user("ada", Role.ADMIN, PASSWORD)
    _device(db)
    _runs(RunBoard(db))
    _traffic(UsageBook(db))
    key = identity.create_key("ada", "test")
    requests = hand_in(db, identity.authenticate_key(key).user_id, MODEL)
    return Scenery(key, identity, requests)


def _device(db: Database) -> None:
    first, second = (_version(Catalog(db), quantization) for quantization in ("F16", "Q4_K_M"))
    Preparations(db).begin(Catalog(db).by_id(second), "champion", 3600)
    fleet = Fleet(db)
    _worker(fleet, DEVICE)
    fleet.put_engine(EngineView("cpu-0", first, EngineState.READY, "http://127.0.0.1:9"))
    DeviceHistory(db).add(_last_hour())
    _worker(fleet, BROKEN)
    failed = EngineView("gpu-1", second, EngineState.FAILED, error="It needs 9 GB, 2 are free.")
    fleet.put_engine(failed)


def _traffic(book: UsageBook) -> None:
    """Two requests a minute in the last minutes, of 30 tokens each, one in all of them failed."""
    now = int(time.time() * 1000)
    rows = [
        row(at=now - 30_000 * i, first_byte_ms=80.0, output_tokens=30, status="200" if i else "500")
        for i in range(120)
    ]
    book.add(rows)


def _worker(fleet: Fleet, device: Mapping[str, object]) -> None:
    report = DeviceReport.from_json(device)
    fleet.register_worker(report.gpu_id, "http://127.0.0.1:9", os.getpid(), report)


def _last_hour() -> list[Sample]:
    """A device that is busier every minute, until now."""
    begin = int(time.time()) // 60 * 60 - 3600
    return [
        Sample("cpu-0", begin + 60 * i, 60, utilization=i / 60, memory_used=(4 + i // 10) << 30)
        for i in range(60)
    ]


def _version(catalog: Catalog, quantization: str) -> str:
    facts = ModelFacts(Format.GGUF, "llama", quantization, context_length=32768, licence=LICENCE)
    sha256 = quantization.encode().hex().ljust(64, "0")
    files = [StoredFile(f"tiny.{quantization}.gguf", sha256, 4_592_000)]
    version = catalog.register(
        MODEL,
        repo=MODEL,
        revision="a" * 40,
        facts=facts,
        files=files,
        metrics={"perplexity": 4.456, "tokens_per_second": 812.4},
    )
    return version.id


def _runs(board: RunBoard) -> None:
    public = Visibility.PUBLIC
    coming = board.start("ingest", "owner/coming", PREFECT_RUN, visibility=public)
    coming.step("download", 400 * 2**20, "bytes")
    board.start("ingest", "owner/unmeasured", visibility=public).step("validate")
    failed = board.start("ingest", "owner/missing", visibility=public)
    failed.finish(RunState.FAILED, "There is no repository 'owner/missing'.")
