"""The memory and cores this process may use: the whole machine's, or its cgroup's limits."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of main memory; `free` includes what the kernel can reclaim."""

    total: int
    free: int

    @property
    def used(self) -> int:
        return self.total - self.free


def memory(cgroup: Path = CGROUP) -> Memory:
    machine = psutil.virtual_memory()
    limit = _read(cgroup / "memory.max")
    if not limit.isdecimal() or int(limit) >= machine.total:
        return Memory(machine.total, machine.available)
    free = max(0, int(limit) - _working_set(cgroup))
    return Memory(int(limit), min(free, machine.available))


def _working_set(cgroup: Path) -> int:
    current = int(_read(cgroup / "memory.current") or 0)
    fields = dict(line.split() for line in _read(cgroup / "memory.stat").splitlines())
    return current - int(fields.get("inactive_file", 0))


def cores(cgroup: Path = CGROUP) -> int:
    """Number of cores that this process may use at once, at least 1."""
    allowed = len(os.sched_getaffinity(0))
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        allowed = min(allowed, int(quota) // int(period))
    return max(1, allowed)


def _read(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""
