"""What a worker reports is typed, also where another version of Modelyard wrote or reads it."""

import json
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from modelyard.registry.database import Database
from modelyard.registry.fleet.device_facts import DeviceProcess, DeviceStatus, EccCounts, XidEvent
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.fleet.report import DeviceReport

FULL = DeviceReport(
    gpu_id="gpu-0",
    name="Card",
    status=DeviceStatus.BUSY,
    uptime=1.5,
    memory_total=8 << 30,
    memory_free=5 << 30,
    throttle_reasons=("thermal",),
    ecc=EccCounts(uncorrected=2),
    xid_events=(XidEvent(79, datetime(2030, 1, 1, tzinfo=UTC), "it is off the bus", fatal=True),),
    processes=(DeviceProcess(7, "engine", 1000),),
    active_requests=3,
    queued_requests=4,
    slots=8,
    engine_slots={"v": 8},
    paces={"v": {"4": (20, 50.5)}},
)


def test_a_report_comes_back_from_the_table_as_it_was_written(db: Database) -> None:
    """Whatever a worker can tell, dates and nested facts and all."""
    Fleet(db).register_worker("gpu-0", "http://127.0.0.1:1", 1, FULL)
    (worker,) = Fleet(db).workers()
    assert worker.device == FULL


def test_the_names_in_json_are_those_that_gateways_and_scripts_know() -> None:
    """Another version of Modelyard reads them from the table, and scripts from `gpus list`."""
    told = json.loads(json.dumps(FULL.as_json()))
    assert told.keys() == {one.name for one in fields(DeviceReport)}
    assert told["status"] == "busy"
    assert told["xid_events"][0]["at"] == "2030-01-01T00:00:00+00:00"
    assert told["paces"] == {"v": {"4": [20, 50.5]}}


def test_a_row_of_an_older_or_newer_version_is_read() -> None:
    """What is missing has its default, and what is not known is left alone."""
    read = DeviceReport.from_json({"name": "Card", "fans": 3})
    assert read == DeviceReport(name="Card")
    assert (read.takes_work, read.requests, read.memory_total) == (True, 0, None)


@pytest.mark.parametrize("told", [{"status": "on_fire"}, {"active_requests": "many"}])
def test_a_device_whose_report_cannot_be_read_takes_no_work(told: dict[str, object]) -> None:
    """One odd row is no reason that the whole fleet cannot be read."""
    read = DeviceReport.from_json({"name": "Card", **told})
    assert not read.takes_work
    assert "cannot be read" in read.reason


def test_devices_in_error_or_maintenance_take_no_work() -> None:
    """For the worker that is asked to load, and for the gateways that choose a worker."""
    fit = [status for status in DeviceStatus if DeviceReport(status=status).takes_work]
    assert fit == [DeviceStatus.AVAILABLE, DeviceStatus.BUSY]


def test_a_power_cap_is_no_throttling() -> None:
    """A card at its power cap is at its everyday; one that is too hot is slower than it was."""
    assert not DeviceReport(throttle_reasons=("power_cap",)).is_throttled
    assert DeviceReport(throttle_reasons=("power_cap", "thermal")).is_throttled
    assert not DeviceReport().is_throttled


def test_of_a_silent_worker_only_what_lasts_is_told() -> None:
    """Its memory and requests may still be so; its heat is not known."""
    silent = FULL.silent(20.4)
    assert (silent.status, silent.takes_work) == (DeviceStatus.ERROR, False)
    assert silent.reason == "its worker has given no sign of life for 20 s"
    assert (silent.memory_total, silent.uptime, silent.queued_requests) == (8 << 30, None, 0)
