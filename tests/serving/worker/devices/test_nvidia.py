"""GPUs are measured through the real NVML bindings; what a card does not tell is null."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fakenvml import FakeNvml

_PROBE = """
import json, sys
from modelyard.registry.fleet.device_orders import DeviceOrder
from modelyard.serving.worker.devices.detect import discover
from modelyard.serving.worker.devices.health import judged
found = discover()
for _ in sys.stdin:
    facts = [judged(device.facts(), DeviceOrder(device.device_id)) for device in found]
    print(json.dumps([each.as_json() for each in facts]), flush=True)
"""
_H100 = """\
0.name NVIDIA H100 80GB HBM3
0.uuid GPU-0000
0.memory_total 85899345920
0.memory_used 12884901888
0.utilization 73
0.temperature 61
0.power_mw 412000
0.power_limit_mw 700000
0.capability 9.0
0.ecc_uncorrected 0
0.ecc_corrected 3
0.ecc_uncorrected_ever 1
0.throttle 0x41
0.process.0 {pid} 12884901888
0.process.1 4194304 1048576
"""
_SILENT = "1.name NVIDIA GB10\n1.uuid GPU-0001\n"


@dataclass(frozen=True, slots=True)
class Probe:
    """A process of its own in which NVML is the stub, asked for facts again and again."""

    cards: FakeNvml
    process: "subprocess.Popen[str]"

    def facts(self, lines: str) -> list[dict[str, Any]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.cards.answer(lines)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> FakeNvml:
    """The stub, built once."""
    return FakeNvml.build(tmp_path_factory.mktemp("fakenvml"))


@pytest.fixture
def healthy() -> str:
    """Two cards: one that tells everything, one that tells nothing."""
    return "count 2\n" + _H100.format(pid=os.getpid()) + _SILENT


@pytest.fixture
def probe(library: FakeNvml, healthy: str) -> Generator[Probe]:
    """A machine with the two cards."""
    library.answer(healthy)
    with _python(library, _PROBE, stdin=subprocess.PIPE) as process:
        yield Probe(library, process)
        assert process.stdin is not None
        process.stdin.close()


def _python(cards: FakeNvml, code: str, **options: Any) -> "subprocess.Popen[str]":
    root = str(Path(__file__).parents[4])
    env = {**os.environ, **cards.environment, "PYTHONPATH": root}
    argv = [sys.executable, "-c", code]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True, **options)


def test_a_card_that_answers_has_every_fact(probe: Probe, healthy: str) -> None:
    """Names, bytes, ratios, Celsius and Watts, as the API shows them."""
    card, _ = probe.facts(healthy)
    uptime = card.pop("uptime")
    processes = card.pop("processes")
    assert uptime >= 0
    assert card == {
        "gpu_id": "GPU-0000",
        "name": "NVIDIA H100 80GB HBM3",
        "status": "available",
        "reason": "",
        "alias": "gpu-0",
        "compute_capability": "9.0",
        "memory_total": 85899345920,
        "memory_used": 12884901888,
        "memory_free": 73014444032,
        "utilization": 0.73,
        "temperature": 61,
        "power_usage": 412.0,
        "power_limit": 700.0,
        "throttle_reasons": ["hardware_thermal"],
        "ecc": {"corrected": 3, "uncorrected": 0, "corrected_ever": None, "uncorrected_ever": 1},
        "xid_events": [],
    }
    mine, foreign = processes
    assert (mine["pid"], mine["memory_used"]) == (os.getpid(), 12884901888)
    assert mine["name"]
    assert foreign["name"] is None


def test_what_a_card_does_not_tell_is_null(probe: Probe, healthy: str) -> None:
    """A fact the driver refuses is no error and no made-up number."""
    _, silent = probe.facts(healthy)
    assert silent["status"] == "available"
    asked = ("memory_total", "memory_free", "utilization", "temperature", "power_usage",
             "power_limit", "compute_capability", "throttle_reasons", "ecc")  # fmt: skip
    assert [silent[name] for name in asked] == [None] * len(asked)
    assert silent["processes"] == []


def test_a_lost_card_is_an_error_with_its_reason_and_comes_back(probe: Probe, healthy: str) -> None:
    """What does not change about it stays known; the other card is not touched by it."""
    probe.facts(healthy)
    lost, other = probe.facts(f"{healthy}0.lost 1\n")
    assert (lost["status"], lost["name"]) == ("error", "NVIDIA H100 80GB HBM3")
    assert "lost" in lost["reason"].lower()
    assert lost["memory_total"] == 85899345920
    assert lost["memory_free"] is None
    assert other["status"] == "available"
    again, _ = probe.facts(healthy)
    assert (again["status"], again["reason"]) == ("available", "")


def test_uncorrected_memory_errors_are_an_error(probe: Probe, healthy: str) -> None:
    """A card that returns wrong bits takes no work."""
    card, _ = probe.facts(healthy.replace("0.ecc_uncorrected 0", "0.ecc_uncorrected 2"))
    assert card["status"] == "error"
    assert "2 uncorrected" in card["reason"]
    assert card["memory_free"] == 73014444032


def test_an_xid_that_breaks_the_card_is_an_error_and_a_programs_own_is_not(
    probe: Probe, healthy: str
) -> None:
    """Both are told; after 79 the card takes no work, though it answers every question."""
    probe.facts(healthy)
    page_fault, _ = until(probe, f"{healthy}0.xid.0 31\n", events=1)
    assert page_fault["status"] == "available"
    assert (page_fault["xid_events"][0]["code"], page_fault["xid_events"][0]["fatal"]) == (
        31,
        False,
    )
    off_the_bus, other = until(probe, f"{healthy}0.xid.0 31\n0.xid.1 79\n", events=2)
    assert off_the_bus["status"] == "error"
    assert "XID 79: it has fallen off the bus" in off_the_bus["reason"]
    assert off_the_bus["temperature"] == 61
    assert other["status"] == "available"


def until(probe: Probe, lines: str, *, events: int) -> list[dict[str, Any]]:
    """The facts once the first card has so many events."""
    deadline = time.monotonic() + 60
    while len((facts := probe.facts(lines))[0]["xid_events"]) != events:
        assert time.monotonic() < deadline, facts
        time.sleep(0.05)
    return facts


def test_an_xid_from_before_the_worker_is_forgotten(library: FakeNvml, healthy: str) -> None:
    """A worker that starts after the cause is gone begins anew."""
    library.answer(f"{healthy}0.xid.0 79\n")
    with _python(library, _PROBE, stdin=subprocess.PIPE) as process:
        card, _ = Probe(library, process).facts(f"{healthy}0.xid.0 79\n")
        assert process.stdin is not None
        process.stdin.close()
    assert (card["status"], card["xid_events"]) == ("available", [])


_DIVIDED = """\
0.mig 1
0.mig.0.uuid MIG-0000
0.mig.0.name NVIDIA H100 80GB HBM3 MIG 1g.10gb
0.mig.0.memory_total 10000000000
0.mig.0.memory_used 4000000000
0.mig.2.uuid MIG-0002
0.mig.2.name NVIDIA H100 80GB HBM3 MIG 2g.20gb
0.mig.2.memory_total 20000000000
0.mig.2.memory_used 0
"""


def test_the_slices_of_a_divided_card_are_devices(library: FakeNvml, healthy: str) -> None:
    """Memory is the slice's, heat and faults are the card's, whose power is nobody's share."""
    library.answer(healthy + _DIVIDED)
    with _python(library, _PROBE, stdin=subprocess.PIPE) as process:
        first, second, whole = Probe(library, process).facts(healthy + _DIVIDED)
        assert process.stdin is not None
        process.stdin.close()
    assert [d["gpu_id"] for d in (first, second, whole)] == ["MIG-0000", "MIG-0002", "GPU-0001"]
    assert (first["memory_total"], first["memory_free"]) == (10_000_000_000, 6_000_000_000)
    assert second["name"].endswith("MIG 2g.20gb")
    assert (first["temperature"], first["compute_capability"]) == (61, "9.0")
    assert (first["utilization"], first["power_usage"], first["power_limit"]) == (None, None, None)


def test_a_worker_takes_a_slice_by_number_or_uuid(library: FakeNvml, healthy: str) -> None:
    """Its engines see the slice alone; the divided card itself is no device."""
    library.answer(healthy + _DIVIDED)
    code = """
from modelyard.serving.worker.devices.detect import UnknownDevice, open_device
for name in ("", "gpu-0/mig-2", "MIG-0002"):
    device = open_device(name)
    print(device.device_id, dict(device.environment)["CUDA_VISIBLE_DEVICES"])
try:
    open_device("gpu-0")
except UnknownDevice as unknown:
    print(unknown)
"""
    with _python(library, code) as process:
        said = process.communicate(timeout=120)[0].splitlines()
    assert said[:3] == ["MIG-0000 MIG-0000", "MIG-0002 MIG-0002", "MIG-0002 MIG-0002"]
    assert "gpu-0/mig-2" in said[3]


def test_a_worker_takes_a_card_by_index_or_uuid(library: FakeNvml, healthy: str) -> None:
    """Both name the same device, the id being the UUID; an unknown one is told what there is."""
    library.answer(healthy)
    code = """
from modelyard.serving.worker.devices.detect import UnknownDevice, open_device
for name in ("", "gpu-1", "GPU-0001", "cpu-0"):
    device = open_device(name)
    print(device.device_id, dict(device.environment)["CUDA_VISIBLE_DEVICES"])
try:
    open_device("gpu-7")
except UnknownDevice as unknown:
    print(unknown)
"""
    with _python(library, code) as process:
        said = process.communicate(timeout=120)[0].splitlines()
    assert said[:4] == ["GPU-0000 GPU-0000", "GPU-0001 GPU-0001", "GPU-0001 GPU-0001", "cpu-0 "]
    assert "gpu-7" in said[4]
    assert "gpu-1" in said[4]


def test_without_a_driver_the_processor_is_the_device(library: FakeNvml) -> None:
    """A library that finds no driver is a machine without GPUs."""
    library.answer("")
    code = (
        "from modelyard.serving.worker.devices.detect import discover\n"
        "print([d.device_id for d in discover()])"
    )
    with _python(library, code) as process:
        assert process.communicate(timeout=120)[0].strip() == "['cpu-0']"
