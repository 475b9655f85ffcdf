"""What a process and its children have used: processor time and memory."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Seconds of processor time since the start, and resident MiB now."""

    cpu_s: float
    rss_mib: float

    @classmethod
    def of(cls, pid: int) -> "ProcessUsage":
        cpu_s = rss = 0.0
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                times = process.cpu_times()
                cpu_s += times.user + times.system
                rss += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return cls(cpu_s, rss / 2**20)
