"""A gateway as a process of its own with models that answer, for whoever reaches it by HTTP."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving.installation import open_installation
from tests.serving.processes import PATIENT, environment, gateway_process

MODEL = "owner/name"
SLOW = "owner/slow"
SAID = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
LONG = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1000}


@dataclass(frozen=True, slots=True)
class ReachedGateway:
    """A gateway elsewhere, and keys for it."""

    url: str
    ada: str
    admin: str


@contextmanager
def reached_gateway(sqlite_template: Path, folder: Path) -> Generator[ReachedGateway]:
    """Two models answer there, SLOW so slowly that nobody sees the end of LONG."""
    file = shutil.copy(sqlite_template, folder / "modelyard.db")
    with open_installation(f"sqlite:///{file}", folder) as installation:
        quick = installation.filled.add(MODEL)
        slow = installation.filled.add(SLOW)
        env = environment(folder, installation.settings.database_url) | PATIENT
        with (
            installation.engine(slow, delay_s=0.2) as slowly,
            installation.engine(quick, delay_s=0.001),  # a worker that begins forgets the other
            gateway_process(env, folder) as gateway,
        ):
            installation.ready(slow, slowly.url)
            gateway.once_ready()
            yield ReachedGateway(gateway.url, installation.ada, installation.admin)
