"""Registrations in processes of their own, which may be killed at any step of our code."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KillableRegistration:
    """What is registered, and at which of its steps its process is killed; 0: at none."""

    model: str
    content: str = "weights"
    die_at: int = 0


@dataclass(frozen=True, slots=True)
class Forks:
    """A process with everything imported, which forks for each registration."""

    process: "subprocess.Popen[str]"

    def run(self, *registrations: KillableRegistration) -> list[int | None]:
        """All at once, to their ends: the steps that each took, None where it was killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([asdict(one) for one in registrations]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def running_forks(mlflow_url: str, data: Path) -> Generator[Forks]:
    env = {**os.environ, "MODELYARD_DATA_DIR": str(data), "MODELYARD_MLFLOW_URI": mlflow_url}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.flows.registration.forks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield Forks(process)
    process.communicate(timeout=240)
