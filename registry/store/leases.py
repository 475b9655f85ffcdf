"""Leases of live processes: a locked file each, touched for machines that cannot see the lock.

On one machine the kernel frees the lock as soon as its holder dies; for other machines a lease
counts as held while its file keeps being touched.
"""

import fcntl
import os
import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from modelyard.registry.locks import is_free

REFRESH_EVERY_S = 30.0
FOREIGN_LIFE_S = 300.0


@dataclass(frozen=True, slots=True)
class Lease:
    """One held lease; it ends with `end` or when the process dies."""

    file: Path
    descriptor: int
    refresh_s: float
    ended: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        while not self.ended.wait(self.refresh_s):
            with suppress(FileNotFoundError):
                os.utime(self.file)

    def end(self) -> None:
        self.ended.set()
        self.file.unlink(missing_ok=True)
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases in one folder; callers take and read them while holding the store's lock.

    Each lease's file is touched every `refresh_s` seconds.
    """

    folder: Path
    refresh_s: float = REFRESH_EVERY_S

    def take(self, subject: str) -> Lease:
        """Hold `subject` (a word without dots) until the lease ends."""
        file = self.folder / f"{subject}.{machine()}.{secrets.token_hex(8)}"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lease = Lease(file, descriptor, self.refresh_s)
        threading.Thread(target=lease.keep, name="store-lease", daemon=True).start()
        return lease

    def held(self) -> set[str]:
        """The subjects held by live processes; deletes leases of dead ones."""
        now = self.now()
        held = set[str]()
        for file in self.folder.glob("*.*.*"):
            if self._lives(file, now):
                held.add(file.name.split(".")[0])
            else:
                file.unlink(missing_ok=True)
        return held

    def now(self) -> float:
        """The current time by the volume's clock, which may differ from ours."""
        clock = self.folder / "clock"
        clock.touch()
        return clock.stat().st_mtime

    def _lives(self, file: Path, now: float) -> bool:
        if file.name.split(".")[1] == machine():
            return not is_free(file)
        try:
            return file.stat().st_mtime > now - FOREIGN_LIFE_S
        except FileNotFoundError:
            return False


@cache
def machine() -> str:
    """An id of this machine's current boot, without dots; locks are visible within it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return name.replace(".", "-")
