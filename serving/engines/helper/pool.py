"""An engine's helper processes of one kind: started as they are needed, replaced when they end."""

import signal
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.process.python import python_module
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.helper.channel import Channel, encoded
from modelyard.serving.engines.helper.limits import HelperLimits
from modelyard.serving.errors import EngineBusy, EngineFailed

MOST = 3
"""Requests worked on at once: one that takes all its time leaves room for others."""


class HelperRefused(Exception):
    """What was asked cannot be done within the limits; the message says why."""


class _Ended(Exception):
    """A helper ended instead of answering; the message says how."""

    def __init__(self, code: int) -> None:
        super().__init__(str(ending(code)))
        self.code = code


@dataclass(frozen=True, slots=True)
class _Helper:
    """One process and the socket to it."""

    process: subprocess.Popen[bytes]
    channel: Channel

    def ask(self, message: Any) -> Any:
        """Its answer; raises HelperRefused or _Ended, after which it is of no more use."""
        try:
            self.channel.send(encoded(message))
            answer = self.channel.receive()
        except (EOFError, OSError):  # a timeout is an OSError
            raise _Ended(self.end()) from None
        if "refused" in answer:
            raise HelperRefused(answer["refused"])
        return answer["answer"]

    def end(self) -> int:
        """Close, end and collect the process; returns its exit code."""
        self.channel.close()
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(0.2)
        self.process.kill()
        return self.process.wait()


@dataclass(slots=True)
class HelperPool:
    """Up to `most` processes of `module`, each told `setting` first; thread-safe.

    Idle processes wait for the next request: the one used last takes it.
    """

    module: str
    setting: Any
    limits: HelperLimits = field(default_factory=HelperLimits)
    most: int = MOST
    _idle: list[_Helper] = field(default_factory=list[_Helper])
    _places: threading.Semaphore = field(init=False)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._places = threading.Semaphore(self.most)

    def ask(self, message: Any) -> Any:
        """A helper's answer; raises HelperRefused, EngineBusy or EngineFailed.

        A helper that ends for another reason than its limits may have been killed from outside:
        the request is then tried once more.
        """
        if not self._places.acquire(timeout=self.limits.answer_s):
            raise EngineBusy(f"{self.most} requests are being prepared already.")
        try:
            return self._tried(message)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the idle processes; one at work ends with its request."""
        self._closed = True
        while self._idle:
            self._idle.pop().end()

    def _tried(self, message: Any) -> Any:
        how = ""
        for _ in range(2):
            try:
                return self._asked(message)
            except _Ended as ended:
                if ended.code == -signal.SIGPROF:
                    seconds = f"{self.limits.cpu_s:g} s"
                    raise HelperRefused(f"it takes more than {seconds} of processor time") from None
                how = str(ended)
        raise EngineFailed(f"What prepares requests {how}, twice.")

    def _asked(self, message: Any) -> Any:
        try:
            helper = self._idle.pop()
        except IndexError:
            helper = self._start()
        try:
            return helper.ask(message)
        finally:
            if helper.process.returncode is None:
                self._idle.append(helper)
                if self._closed:
                    self.close()

    def _start(self) -> _Helper:
        """A new process that knows its setting; raises HelperRefused or _Ended."""
        own, other = socket.socketpair()
        with other:
            process = subprocess.Popen(
                python_module(self.module, self.limits.as_argument()),
                env=child_environment(),
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
            )
        own.settimeout(self.limits.answer_s)
        helper = _Helper(process, Channel(own))
        try:
            helper.ask(self.setting)
        except HelperRefused:
            helper.end()
            raise
        return helper
