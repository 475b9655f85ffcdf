"""Starts a Prefect server for the life of this process, if none is running."""

import atexit
import os
import secrets
import subprocess
import time
from functools import partial
from pathlib import Path

from modelyard.flows.errors import PrefectUnreachable
from modelyard.flows.prefect.address import QUIET, Prefect, answers
from modelyard.flows.prefect.server import LOGIN
from modelyard.registry.process.ports import LOOPBACK, listen
from modelyard.registry.process.python import python_module
from modelyard.serving.parent_death import die_with_parent

START_S = 120.0
END_S = 5.0
"""Seconds until the server must answer (`START_S`) and for a clean exit (`END_S`)."""


def start_temporary_prefect(home: Path) -> Prefect:
    """Start a server that requires a new login; raises PrefectUnreachable.

    It keeps its data in `home`. It ends with this process, however that ends; on a normal exit it
    ends after Prefect's threads have sent their last messages.
    """
    home.mkdir(parents=True, exist_ok=True)  # Prefect does not create parent folders
    login = f"modelyard:{secrets.token_urlsafe(32)}"
    log = home / "server.log"
    with listen(0, "", LOOPBACK) as listener:
        server = Prefect(f"http://{LOOPBACK}:{listener.getsockname()[1]}/api", login)
        child = _start(listener.fileno(), home, log, login)
    atexit.register(partial(_end, child))
    _await(server, child, log)
    return server


def _start(listener: int, home: Path, log: Path, login: str) -> subprocess.Popen[bytes]:
    """Start the child with an open socket, so that no other process can take the port meanwhile."""
    told = ("--fd", str(listener), "--temporary", "--parent", str(os.getpid()))
    argv = python_module("modelyard.flows.prefect.server", *told)
    env = {**os.environ, **QUIET, "PREFECT_HOME": str(home), LOGIN: login}
    with log.open("ab") as said:
        return subprocess.Popen(
            argv,
            env=env,
            cwd=home,  # Prefect reads settings from its working directory
            pass_fds=[listener],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - it only makes a system call
        )


def _await(server: Prefect, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not answers(server, patience_s=START_S):
        if child.poll() is not None or time.monotonic() > deadline:
            words = log.read_text(errors="replace").splitlines()[-5:]
            raise PrefectUnreachable(
                f"The temporary Prefect server did not start. Its last words: {' '.join(words)}",
                fix=f"See {log}.",
            )
        time.sleep(0.1)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
