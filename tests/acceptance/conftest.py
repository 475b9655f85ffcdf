"""One `modelyard up --demo` for all acceptance tests: every process real, on free ports.

It stands in a hostile folder, and its proxy is dead, so that all that works works there too.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.hostile_folder import HostileFolder, hostile_folder

START_S = 400
DEAD_PROXY = {
    name: "http://127.0.0.1:9"  # nobody listens there
    for proxied in ("http_proxy", "https_proxy", "all_proxy")
    for name in (proxied, proxied.upper())
}
"""What the environment of `up`, and of each command beside it, says of proxies: no NO_PROXY."""


@dataclass(frozen=True)
class RunningInstance:
    """A running `up`: its process, its folder, and what its ready file tells now."""

    process: subprocess.Popen[bytes]
    data: Path
    ready_file: Path
    folder: HostileFolder

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(self.ready_file.read_text())

    @property
    def env(self) -> dict[str, str]:
        """What a person exports to work with it from another terminal."""
        return {
            **surroundings(),
            "MODELYARD_DATA_DIR": str(self.data),
            "PREFECT_API_URL": self.facts["prefect_url"] + "/api",
        }

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A command from another terminal in the same folder, to its end."""
        return subprocess.run(
            modelyard(*arguments),
            env=self.env | env, cwd=self.folder.path, capture_output=True, text=True, timeout=240,
            check=False,
        )  # fmt: skip


def surroundings() -> dict[str, str]:
    """The environment of whoever runs the tests, with a proxy that leads nowhere."""
    theirs = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    return theirs | DEAD_PROXY


def modelyard(*arguments: str) -> list[str]:
    """The command as it is installed: that it is safe where it stands is not the folder's doing."""
    return [str(Path(sys.executable).with_name("modelyard")), *arguments]


def start_up(data: Path, *options: str) -> RunningInstance:
    """Start `up` and wait for its ready file; fails with its log when it ends before."""
    folder = hostile_folder(data.parent / "project")
    ready = data.parent / f"{data.name}-ready.json"
    log = data.parent / f"{data.name}-up.log"
    command = modelyard("up", "--data", str(data), "--port", "0", "--ready-file", str(ready))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *options],
            env=surroundings(), cwd=folder.path, stdout=out, stderr=out, umask=0o022,
        )  # fmt: skip
    deadline = time.monotonic() + START_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"`modelyard up` did not come up:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)
    return RunningInstance(process, data, ready, folder)


def end_up(running: RunningInstance) -> float:
    """End it as a service manager would; returns the seconds that took."""
    started = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=120)
    return time.monotonic() - started


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningInstance]:
    running = start_up(tmp_path_factory.mktemp("up") / "data", "--demo")
    yield running
    if running.process.poll() is None:
        end_up(running)
