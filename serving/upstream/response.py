"""The interface of an engine's HTTP answer, independent of the client."""

from typing import Protocol


class EngineGone(Exception):
    """An engine did not answer, or ended during its answer.

    `in_hand`: the engine closed the connection while it had the request.
    """

    def __init__(self, why: str, *, in_hand: bool = False) -> None:
        super().__init__(why)
        self.in_hand = in_hand


class NoHttpAnswer(EngineGone):
    """An engine answered with something that is no answer in HTTP; `why` can be told to clients."""


class Response(Protocol):
    """An answer whose head has arrived; `next` and `read` raise EngineGone."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> bytes: ...

    @property
    def is_over(self) -> bool:
        """Whether all of the answer has arrived; raises EngineGone if it broke off."""
        ...

    async def next(self) -> bytes:
        """Wait for the next bytes; empty at the end."""
        ...

    async def read(self) -> bytes:
        """Read the whole body."""
        ...

    def close(self) -> None:
        """Release the answer; an incomplete one closes its connection, which ends the work."""
        ...
