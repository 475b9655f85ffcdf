"""A machine without a GPU is one device with plausible facts."""

import time

import psutil

from modelyard.registry.fleet.device_facts import DeviceStatus
from modelyard.serving.worker.devices.cpu import Cpu


def test_the_processor_has_a_name_and_the_machines_memory() -> None:
    """Facts are measured, and what a processor does not tell is None."""
    facts = Cpu().facts()
    assert (facts.gpu_id, facts.status) == ("cpu-0", DeviceStatus.AVAILABLE)
    assert facts.name.strip()
    assert facts.memory_total is not None
    assert facts.memory_free is not None
    assert 0 < facts.memory_free <= facts.memory_total <= psutil.virtual_memory().total
    assert facts.memory_used == facts.memory_total - facts.memory_free
    assert facts.temperature is None or 0 < facts.temperature < 150
    assert facts.power_usage is facts.power_limit is facts.compute_capability is None


def test_utilization_is_the_share_since_the_last_look() -> None:
    """A busy loop shows, whichever thread asks."""
    cpu = Cpu()
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        pass
    used = cpu.facts().utilization
    assert used is not None
    assert 0.5 / (psutil.cpu_count() or 1) < used <= 1.0
