"""Child processes of an event loop: started, and ended with all that they have started."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from modelyard.serving.parent_death import die_with_parent


async def start_child(
    *command: str,
    env: Mapping[str, str],
    stdin: int | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a child that leads a process group of its own; it dies with this process.

    Whoever is cancelled meanwhile leaves no child. asyncio's own call would wait for ever then:
    for the end of a process whose pipes it has not connected yet. Raises OSError.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            start_new_session=True,  # the terminal's Ctrl-C is ours to pass on
            preexec_fn=die_with_parent,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_kill)  # also where this wait is cancelled once more
        await asyncio.wait((starting,))
        if starting.exception() is None:
            await starting.result().communicate()
        raise


def _kill(starting: asyncio.Task[Process]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        end_group(starting.result(), signal.SIGKILL)


def end_group(process: Process, number: signal.Signals) -> None:
    """Signal a child that leads a group, and all it has started; the group outlives its leader."""
    with suppress(ProcessLookupError):  # the whole group is gone already
        os.killpg(process.pid, number)
