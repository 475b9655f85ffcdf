"""What a parent holds of a child process: its pipes, its complaints, and how long it may take."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from os import SEEK_END
from threading import Event, Timer
from typing import IO

_ENOUGH = 300


def pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Its standard input, to write to, and its standard output, to read from."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("both were asked for")
    return child.stdin, child.stdout


@contextmanager
def patience(child: subprocess.Popen[bytes], seconds: float) -> Generator[Event]:
    """End a child that is not done in time; the event, which is set then, tells it from a crash."""
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
    """The end of what a child wrote to the file that was its standard error."""
    said.seek(max(0, said.seek(0, SEEK_END) - _ENOUGH))
    return said.read().decode(errors="replace").strip()
