"""Ends an engine that takes more main memory than it may, where no limit of its own can stop it.

An engine on the processor limits itself (RLIMIT_DATA). On a GPU the driver reserves more address
space than it will ever use, which counts against such a limit; so the worker looks at what is
really taken. What is mapped from files, the weights above all, does not count.
"""

import asyncio
import signal
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.sizes import size_text
from modelyard.serving.child_process import end_group

EVERY_S = 0.1
"""How often it is looked at: a process takes a GiB of fresh memory in about half a second."""

_FIELD = "RssAnon:"


def private_memory(pid: int) -> int:
    """Resident bytes of a process that are no file's; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = (line for line in lines if line.startswith(_FIELD))
    return next((int(line.split()[1]) * 1024 for line in found), 0)


@dataclass(slots=True)
class HostMemoryWatch:
    """Watches one engine from its start to its end; `fault` says what it was ended for."""

    process: Process
    most: int
    fault: str = ""

    async def run(self) -> None:
        """Returns when the process has ended, by itself or by this."""
        while self.process.returncode is None:
            taken = private_memory(self.process.pid)
            if taken > self.most:
                self.fault = (
                    f"took {size_text(taken)} of main memory, more than the "
                    f"{size_text(self.most)} that it may"
                )
                end_group(self.process, signal.SIGKILL)
                return
            await asyncio.sleep(EVERY_S)
