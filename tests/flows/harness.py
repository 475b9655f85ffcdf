"""`modelyard models add` as people run it, and what it leaves in the registry."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.flows.prefect.address import Prefect
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.database import Database
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.runs.runs import RunBoard, RunView
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store
from tests.servers.prefect import QUIET

REPO = "ada/tiny-GGUF"
FILE = "tiny-f16.gguf"
CARD = b"---\nlicense: mit\n---\n# Tiny\n\nA parrot that speaks of nothing but lighthouses.\n"
PATIENCE_S = 400.0
MODELYARD = Path(sys.executable).with_name("modelyard")
"""The command as it is installed."""


@dataclass(frozen=True, slots=True)
class FlowHarness:
    """A data folder of its own, against the test's Hub and a real Prefect server."""

    data: Path
    hub_url: str
    prefect: Prefect

    @property
    def settings(self) -> RegistrySettings:
        return RegistrySettings(data_dir=self.data)

    def env(self, **more: str) -> dict[str, str]:
        ours = {
            "MODELYARD_DATA_DIR": str(self.data),
            "HF_ENDPOINT": self.hub_url,
            "PREFECT_API_URL": self.prefect.url,
            "PREFECT_API_AUTH_STRING": self.prefect.login,
            "MODELYARD_HUB_BACKOFF_S": "0.01",
            "MODELYARD_FLOW_THREADS": "1",
            "MODELYARD_EVALUATION_CHARACTERS": "4000",
            "MODELYARD_GATE_MAX_KL": "2",
            "MODELYARD_GATE_CHANCE_SHARE": "1000",  # weights are random
        }
        return {**os.environ, **QUIET, **ours, **more}

    def start(self, *arguments: str, cwd: Path | str = ".", **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [MODELYARD, *arguments],
            env=self.env(**env), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def add(self, *arguments: str, repo: str = REPO, **env: str) -> "Outcome":
        """`models add REPO --json …`, to its end."""
        return self.run("models", "add", repo, "--json", *arguments, **env)

    def run(self, *arguments: str, **env: str) -> "Outcome":
        """Any command, to its end."""
        begun = time.monotonic()
        with self.start(*arguments, **env) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return Outcome(process.returncode, out, err, time.monotonic() - begun)

    def kill_when(self, at: Callable[[RunView], bool], *arguments: str) -> None:
        """Start the same and kill -9 it as soon as its run is at the given point."""
        with self.start("models", "add", REPO, *arguments) as process:
            self.await_run(at, process)
            process.send_signal(signal.SIGKILL)
            process.communicate()

    def await_run(self, at: Callable[[RunView], bool], process: subprocess.Popen[str]) -> RunView:
        deadline = time.monotonic() + PATIENCE_S
        with self.database() as database:
            board = RunBoard(database)
            while True:
                latest = next(iter(board.list(limit=1)), None)
                if latest and at(latest):
                    return latest
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, f"never there: {latest}"
                time.sleep(0.005)

    @contextmanager
    def database(self) -> Generator[Database]:
        database = open_database(self.settings)
        yield database
        database.close()

    @property
    def store(self) -> Store:
        return open_store(self.settings)

    @property
    def parts(self) -> list[Path]:
        return list(self.store.root.glob("incoming/*.part"))

    def versions(self) -> list[ModelVersion]:
        with self.database() as database:
            return Catalog(database).list()

    def runs(self) -> list[RunView]:
        with self.database() as database:
            return RunBoard(database).list()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        assert self.status == 0, self.err
        return json.loads(self.out)
