"""The helper's own side: one request after another, until the engine closes the socket."""

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from modelyard.serving.engines.helper.channel import Channel, encoded
from modelyard.serving.engines.helper.limits import HelperLimits


class CannotAnswer(Exception):
    """The request cannot be done; the message says why."""


Answer = Callable[[Any], Any]


def serve(answer_of: Callable[[Any], Answer]) -> None:
    """Answer requests from standard input, which is a socket; its first message is the setting.

    Refusals and exhausted memory are answers too. The process ends with its engine: the socket
    closes. A signal to the engine's process group does not end it, since the engine still answers.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    limits = HelperLimits.from_argument(sys.argv[1])
    limits.hold()
    answer: Answer | None = None

    def first(setting: Any) -> Any:
        nonlocal answer
        answer = answer_of(setting)

    with socket.socket(fileno=0) as engine, suppress(EOFError, ConnectionError):
        channel = Channel(engine)
        while True:
            message = channel.receive()
            limits.begin()
            channel.send(_done(answer or first, message, limits))
            limits.end()


def _done(answer: Answer, message: Any, limits: HelperLimits) -> bytes:
    try:
        return encoded({"answer": answer(message)})
    except CannotAnswer as refusal:
        return encoded({"refused": str(refusal)})
    except MemoryError:
        return encoded({"refused": f"it takes more than {limits.memory >> 20} MiB of memory"})
