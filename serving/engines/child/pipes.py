"""A parent's handles on a child process: its pipes, its error output, its time limit."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from os import SEEK_END
from threading import Event, Timer
from typing import IO

_ENOUGH = 300


def pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """The child's standard input, to write to, and its standard output, to read from."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("both were asked for")
    return child.stdin, child.stdout


@contextmanager
def patience(child: subprocess.Popen[bytes], seconds: float) -> Generator[Event]:
    """Kill a child after `seconds`; the event is set then, which tells a timeout from a crash."""
    over = Event()

    def end() -> None:
        over.set()
        child.kill()

    timer = Timer(seconds, end)
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()


def last_words(said: IO[bytes]) -> str:
    """The end of the file that captured a child's standard error."""
    said.seek(max(0, said.seek(0, SEEK_END) - _ENOUGH))
    return said.read().decode(errors="replace").strip()
