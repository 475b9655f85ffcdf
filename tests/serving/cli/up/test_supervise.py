"""The supervisor keeps real children running and ends them all."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from modelyard.registry.errors import PortInUse
from modelyard.registry.process.ports import choose_port
from modelyard.serving.cli.up.supervise import ChildFailed, Service, Supervisor


def web(port: int, folder: Path) -> Service:
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    return Service("web", (*argv, "--directory", str(folder)), f"http://127.0.0.1:{port}/")


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    """After kill -9 the service answers again under a new pid, and the change is told."""
    told: list[dict[str, int]] = []
    supervisor = Supervisor(tmp_path, tmp_path, lambda: told.append(supervisor.pids), print)
    service = web(choose_port(0, ""), tmp_path)
    try:
        await supervisor.start(service)
        await supervisor.answers(service, 120)
        before = supervisor.pids["web"]
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(60):
            while supervisor.pids["web"] == before:
                await asyncio.sleep(0.05)
        await supervisor.answers(service, 120)
        assert told == [supervisor.pids]
    finally:
        await supervisor.stop()


async def test_a_child_that_never_answers_fails_the_start_with_its_last_words(
    tmp_path: Path,
) -> None:
    """Three ends before the first answer are enough; the error shows what the child said."""
    supervisor = Supervisor(tmp_path, tmp_path, lambda: None, print)
    service = Service("sad", (sys.executable, "-c", "exit('no luck')"), "http://127.0.0.1:9/")
    await supervisor.start(service)
    with pytest.raises(ChildFailed, match="no luck"):
        await supervisor.answers(service, 120)
    await supervisor.stop()


async def test_a_child_that_dies_again_and_again_says_by_what(tmp_path: Path) -> None:
    """The signal of its last end, what that means, and what to do."""
    said: list[str] = []
    supervisor = Supervisor(tmp_path, tmp_path, lambda: None, said.append)
    code = f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})"
    service = Service("sick", (sys.executable, "-c", code), "http://127.0.0.1:9/")
    await supervisor.start(service)
    with pytest.raises(ChildFailed, match="the last time it was ended by SIGILL") as failed:
        await supervisor.answers(service, 120)
    assert "make setup" in failed.value.fix
    assert said[0].startswith("sick was ended by SIGILL")
    await supervisor.stop()


async def test_the_end_reaches_children_of_children(tmp_path: Path) -> None:
    """A grandchild that ignores SIGTERM is gone after `stop` too."""
    code = (
        "import signal,subprocess,sys,time\n"
        "subprocess.Popen([sys.executable,'-c','import signal,time;"
        "signal.signal(signal.SIGTERM,signal.SIG_IGN);time.sleep(600)'])\n"
        "time.sleep(600)"
    )
    supervisor = Supervisor(tmp_path, tmp_path, lambda: None, print)
    await supervisor.start(Service("parent", (sys.executable, "-c", code), ""))
    parent = psutil.Process(supervisor.pids["parent"])
    async with asyncio.timeout(60):
        while not (children := parent.children()):
            await asyncio.sleep(0.05)
    await supervisor.stop()
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children)


def test_a_taken_port_is_named_with_the_way_out() -> None:
    """The error says which port, and which option to pass."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUse, match=f"{port}.*--port"):
            choose_port(port, "--port")
