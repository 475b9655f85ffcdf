"""One connection to Redis shared by all requests: commands of one loop turn leave in one write.

Redis runs commands and replies in the order in which they are sent. A late reply ends the
connection, and every pending command fails.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis

Argument = str | bytes | int | float

_pack: Any = hiredis.pack_command  # its stub allows one argument only

SECOND_LOOK_S = 0.005
"""Seconds to wait before a reply counts as late, so that a busy loop first reads what arrived."""


class RedisGone(Exception):
    """Redis does not answer; this never leaves the package."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the SHA-1 by which Redis knows it."""

    text: bytes
    sha: str

    @classmethod
    def named(cls, name: str) -> "Script":
        text = Path(__file__).with_name(f"{name}.lua").read_bytes()
        return cls(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


@dataclass(slots=True)  # not frozen: freezing costs more than the rest of a command
class _Asked:
    """A command whose reply is pending; `future` is None if the reply is ignored."""

    future: asyncio.Future[Any] | None
    at: float
    script: Script | None
    arguments: tuple[Argument, ...]


class Pipe(asyncio.Protocol):
    """One connection; `lost` is called once when it ends, for whatever reason."""

    def __init__(self, lost: Callable[[], None], patience_s: float) -> None:
        self.ended = ""
        self._patience_s = patience_s
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._due: deque[_Asked] = deque()
        self._out: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def ask(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command; the future gives its reply or raises RedisGone."""
        return self._send(command, None, (), self._loop.create_future())

    def run(self, script: Script, *arguments: Argument) -> asyncio.Future[Any]:
        """Like `ask`, for a script; the first argument is its number of keys."""
        command = ("EVALSHA", script.sha, *arguments)
        return self._send(command, script, arguments, self._loop.create_future())

    def tell(self, *command: Argument) -> None:
        """Send a command and ignore its reply; does nothing if the connection has ended."""
        if not self.ended:
            self._send(command, None, (), None)

    def tell_run(self, script: Script, *arguments: Argument) -> None:
        """Like `tell`, for a script."""
        if not self.ended:
            self._send(("EVALSHA", script.sha, *arguments), script, arguments, None)

    def wait_at_most(self, seconds: float) -> None:
        """Set how long a reply may take, including replies already pending."""
        self._patience_s = seconds
        if self._timer is not None:
            self._timer.cancel()
        self._watch()

    def end(self, reason: str) -> None:
        """Close the connection at once; pending commands raise RedisGone."""
        if self.ended:
            return
        self.ended = reason
        if self._transport is not None:
            self._transport.abort()
        for asked in self._due:
            if asked.future is not None and not asked.future.done():
                asked.future.set_exception(RedisGone(reason))
        self._due.clear()
        self._lost()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(str(exc) if exc else "it closed the connection")

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while not self.ended and (reply := self._reader.gets()) is not False:
                self._answered(self._due.popleft(), reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.end(f"it does not speak as Redis does: {error}")

    def _send(
        self,
        command: tuple[Argument, ...],
        script: Script | None,
        arguments: tuple[Argument, ...],
        future: Any,
    ) -> Any:
        if self.ended:
            raise RedisGone(self.ended)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(_pack(command))
        self._due.append(_Asked(future, self._loop.time(), script, arguments))
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience_s, self._watch)
        return future

    def _flush(self) -> None:
        if not self.ended:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _answered(self, asked: _Asked, reply: Any) -> None:
        if not isinstance(reply, hiredis.ReplyError):
            if asked.future is not None and not asked.future.done():
                asked.future.set_result(reply)
        elif str(reply).startswith("NOSCRIPT") and asked.script is not None:
            # Redis' script cache was flushed: EVAL with the text loads the script again.
            self._send(("EVAL", asked.script.text, *asked.arguments), None, (), asked.future)
        else:
            if asked.future is not None and not asked.future.done():
                asked.future.set_exception(RedisGone(str(reply)))
            self.end(str(reply))

    def _watch(self) -> None:
        """Check the oldest pending reply once it may be late; an idle connection has no timer."""
        self._timer = None
        if not self._due:
            return
        oldest = self._due[0]
        left_s = oldest.at + self._patience_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._watch)
        else:
            self._timer = self._loop.call_later(SECOND_LOOK_S, self._look_again, oldest)

    def _look_again(self, oldest: _Asked) -> None:
        if self._due and self._due[0] is oldest:
            self.end("it does not answer in time")
        self._watch()
