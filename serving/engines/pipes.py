"""What a parent holds of a child process: the pipes to it, and the file it complains to."""

import subprocess
from os import SEEK_END
from typing import IO

_ENOUGH = 300


def pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Its standard input, to write to, and its standard output, to read from."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("both were asked for")
    return child.stdin, child.stdout


def last_words(said: IO[bytes]) -> str:
    """The end of what a child wrote to the file that was its standard error."""
    said.seek(max(0, said.seek(0, SEEK_END) - _ENOUGH))
    return said.read().decode(errors="replace").strip()
