"""The machine's processor and main memory as one device, for machines without a GPU."""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceProcess, DeviceStatus
from modelyard.serving.worker.devices import machine

_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = (
        value.strip()
        for key, _, value in (line.partition(":") for line in lines)
        if key.strip() == "model name"
    )
    return next(names, platform.processor() or platform.machine() or "CPU")


def _times() -> tuple[float, float]:
    """Seconds that all cores were busy, and seconds in total, since boot."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return sum(times) - idle, sum(times)


def _temperature() -> float | None:
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    chips = (sensors[name] for name in _SENSORS if sensors.get(name))
    return next((chip[0].current for chip in chips), None)


def _children() -> tuple[DeviceProcess, ...]:
    found: list[DeviceProcess] = []
    for child in psutil.Process().children(recursive=True):
        try:
            found.append(DeviceProcess(child.pid, child.name(), child.memory_info().rss))
        except psutil.NoSuchProcess:
            continue  # it ended in the meantime
    return tuple(found)


@dataclass(slots=True)
class Cpu:
    """All cores as one device; its processes are the engines that this worker started."""

    device_id: str = "cpu-0"
    is_gpu: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: {"CUDA_VISIBLE_DEVICES": ""})
    _name: str = field(default_factory=_processor)
    _since: float = field(default_factory=time.monotonic)
    _last: tuple[float, float] = field(default_factory=_times)

    def facts(self) -> DeviceFacts:
        memory = machine.memory()
        return DeviceFacts(
            gpu_id=self.device_id,
            name=self._name,
            status=DeviceStatus.AVAILABLE,
            uptime=time.monotonic() - self._since,
            memory_total=memory.total,
            memory_used=memory.used,
            memory_free=memory.free,
            utilization=self._utilization(),
            temperature=_temperature(),
            processes=_children(),
        )

    def _utilization(self) -> float | None:
        """Share of the time since the last call that the cores were busy."""
        (busy, total), self._last = self._last, _times()
        passed = self._last[1] - total
        return min(1.0, max(0.0, (self._last[0] - busy) / passed)) if passed > 0 else None
