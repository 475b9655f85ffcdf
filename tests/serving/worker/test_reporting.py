"""A worker's rows are caught up with once a database that was away is back."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.device_history import DeviceHistory
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.fleet.fleet import EngineState, Fleet
from modelyard.serving.worker.devices.sampling import TelemetrySampler
from modelyard.serving.worker.reporting import Reporter
from modelyard.serving.worker.residency.residency import DeviceFailed
from tests.models.onnx_tiny import Bert
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import open_harness


def sampler(database: Database) -> TelemetrySampler:
    return TelemetrySampler(DeviceHistory(database), every_s=1.0)


async def test_a_database_that_fails_does_not_stop_the_worker(catalog_files: FilledCatalog) -> None:
    """Heartbeats go on, and what changed meanwhile is written afterwards."""
    database = catalog_files.catalog.db
    async with open_harness(catalog_files) as harness:
        changed = asyncio.Event()
        harness.residency.changed = changed.set
        reporter = Reporter(
            Fleet(database),
            DeviceOrders(database),
            "http://127.0.0.1:1",
            1,
            harness.residency.telemetry,
            harness.residency,
            changed,
            sampler(database),
        )
        await reporter.register(harness.residency.reader)
        tasks = [asyncio.create_task(reporter.beat(0.05)), asyncio.create_task(reporter.follow())]
        with database.begin() as session:
            session.execute(text("ALTER TABLE engines RENAME TO engines_away"))
            session.execute(text("ALTER TABLE workers RENAME TO workers_away"))
        await harness.residency.ensure(catalog_files.add("a/one").id)
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in tasks)
        with database.begin() as session:
            session.execute(text("ALTER TABLE workers_away RENAME TO workers"))
            session.execute(text("ALTER TABLE engines_away RENAME TO engines"))
        await harness.until(lambda: bool(reporter.fleet.engines()))
        assert reporter.fleet.engines()[0].state is EngineState.READY
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_a_heartbeat_says_how_fast_each_version_goes(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """Steps and tokens a second by size, of models that read as of those that write."""
    Bert().write(tmp_path)
    version = catalog_files.add_onnx("a/reader", tmp_path)
    async with open_harness(catalog_files) as harness:
        residency = harness.residency
        process = await (await residency.ensure(version.id)).ready()
        for _ in range(3):
            given = {"input": [7, 8, 9, 10, 11]}
            async with harness.session.post(
                f"{process.ready.url}/v1/embeddings", json=given
            ) as said:
                assert said.status == 200
        reporter = Reporter(
            Fleet(catalog_files.catalog.db),
            DeviceOrders(catalog_files.catalog.db),
            "http://127.0.0.1:1",
            1,
            residency.telemetry,
            residency,
            asyncio.Event(),
            sampler(catalog_files.catalog.db),
        )
        await reporter.register(residency.reader)
        task = asyncio.create_task(reporter.beat(0.05))
        await harness.until(lambda: _steps(reporter, version.id) == 3)
        task.cancel()
        await asyncio.wait([task])
        told = reporter.fleet.workers()[0].device.paces
        assert told.keys() == {version.id}
        ((size, (steps, tokens_per_s)),) = told[version.id].items()
        assert (size, steps) == ("8", 3)
        assert tokens_per_s > 0


def _steps(reporter: Reporter, version_id: str) -> int:
    paces = reporter.fleet.workers()[0].device.paces.get(version_id, {})
    return sum(steps for steps, _ in paces.values())


async def test_maintenance_keeps_loads_away_and_what_runs_stays(
    catalog_files: FilledCatalog,
) -> None:
    """The order is obeyed within a heartbeat and said in the row; history goes on."""
    database = catalog_files.catalog.db
    orders = DeviceOrders(database)
    async with open_harness(catalog_files) as harness:
        residency = harness.residency
        reporter = Reporter(
            Fleet(database),
            DeviceOrders(database),
            "http://127.0.0.1:1",
            1,
            residency.telemetry,
            residency,
            asyncio.Event(),
            sampler(database),
        )
        running = await residency.ensure(catalog_files.add("a/one").id)
        orders.set_maintenance("paper-0", on=True, reason="new fan", by="ada")
        await reporter.register(residency.reader)
        task = asyncio.create_task(reporter.beat(0.05))
        (row,) = reporter.fleet.workers()
        assert (row.device.status, row.device.reason) == ("maintenance", "new fan")
        other = catalog_files.add("a/two")
        with pytest.raises(DeviceFailed, match="new fan"):
            await residency.ensure(other.id)
        assert await residency.ensure(running.config.version_id) is running
        orders.set_maintenance("paper-0", on=False, reason="", by="ada")
        await harness.until(lambda: reporter.fleet.workers()[0].device.status == "available")
        await residency.ensure(other.id)
        history = DeviceHistory(database)
        start = utc_now() - timedelta(minutes=1)
        await harness.until(lambda: bool(history.between("paper-0", start, utc_now(), 1)))
        task.cancel()
        await asyncio.wait([task])
