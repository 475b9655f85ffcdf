"""`modelyard dispatcher` as a process of its own, over a test's installation."""

import json
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.serving.installation import Installation
from tests.serving.processes import MODELYARD, PATIENT, environment, until


@dataclass(frozen=True, slots=True)
class DispatcherProcess:
    """A running dispatcher; `folder` has its log."""

    process: subprocess.Popen[bytes]
    url: str

    def freeze(self) -> None:
        """Stop it where it is; returns once all of it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)


@contextmanager
def dispatcher_process(
    installation: Installation, folder: Path, **settings: object
) -> Generator[DispatcherProcess]:
    """Start one; `settings` are its environment. It is ended whatever happens."""
    file = folder / f"dispatcher-{os.urandom(4).hex()}.json"
    env = environment(installation.settings.data_dir, installation.settings.database_url) | PATIENT
    env |= {f"MODELYARD_{name.upper()}": str(value) for name, value in settings.items()}
    command = [*MODELYARD, "dispatcher", "--port", "0", "--ready-file", str(file)]
    with subprocess.Popen(command, env=env) as process:
        try:
            until(file.exists)
            yield DispatcherProcess(process, str(json.loads(file.read_text())["url"]))
        finally:
            process.kill()
