"""Registrations, each in a process that is forked with everything imported, and killed at will.

Reads a JSON list of registrations a line, runs them all at once, and answers with their ends: how
many steps into our own code each had come, or nothing where it was killed.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import mlflow.tracking.client  # so that no child has to

from tests.flows.registration.registration import register

_OURS = tuple(
    f"{Path(__file__).parents[3] / 'src' / 'modelyard' / room}/" for room in ("flows", "registry")
)


class Steps:
    """Counts each entry into and return from our own functions; dies at the one it is told."""

    def __init__(self, die_at: int) -> None:
        self.count = 0
        self.die_at = die_at

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event in {"call", "return"} and frame.f_code.co_filename.startswith(_OURS):
            self.count += 1
            if self.count == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)


def _forked(work: Callable[[], int]) -> Callable[[], int | None]:
    """Start it in a child; calling the result waits for what it returns."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, str(work()).encode())
        os._exit(0)
    os.close(writing)

    def ended() -> int | None:
        with os.fdopen(reading) as answer:
            said = answer.read()
        os.waitpid(child, 0)
        return int(said) if said else None

    return ended


def _registration(model: str, content: str, die_at: int) -> Callable[[], int]:
    def work() -> int:
        steps = Steps(die_at)
        sys.setprofile(steps)
        register(model, content)
        sys.setprofile(None)
        return steps.count

    return work


def main() -> None:
    assert mlflow.tracking.client
    _say("ready")
    for line in sys.stdin:
        running = [_forked(_registration(**request)) for request in json.loads(line)]
        _say(json.dumps([ended() for ended in running]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
