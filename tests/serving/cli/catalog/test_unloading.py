"""`modelyard models unload` frees devices through their workers."""

from collections.abc import Generator

import pytest

from tests.serving.cli.shell import Shell, keep_alive
from tests.serving.installation import TOKEN, Installation
from tests.serving.unloading_worker import UnloadingWorker, unloading_worker


@pytest.fixture
def worker() -> Generator[UnloadingWorker]:
    with unloading_worker(TOKEN) as worker:
        yield worker


def test_the_workers_that_have_it_let_it_go(
    shell: Shell, installation: Installation, worker: UnloadingWorker
) -> None:
    """On one device or on all; where it is nowhere nobody is asked."""
    version = installation.filled.add("owner/name")
    for device in ("cpu-0", "cpu-1"):
        installation.worker(device, worker.url)
        installation.ready(version, worker.url, device)
    keep_alive(installation)
    assert "cpu-1" in shell.run("models", "unload", "owner/name", "--device", "cpu-1").said
    assert worker.told == [f"/engines/{version.id}"]
    assert "cpu-0, cpu-1" in shell.run("models", "unload", version.ref).said
    assert worker.told == [f"/engines/{version.id}"] * 3
    other = installation.filled.add("owner/other")
    assert "not loaded" in shell.run("models", "unload", other.ref).said
    assert shell.run("models", "unload", "owner/nobody").code == 4
