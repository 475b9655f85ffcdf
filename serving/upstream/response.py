"""An engine's answer as it comes over HTTP, whoever brings it."""

from typing import Protocol


class EngineGone(Exception):
    """An engine did not answer, or ended in its answer.

    `in_hand`: its end of the connection closed while it had the request.
    """

    def __init__(self, why: str, *, in_hand: bool = False) -> None:
        super().__init__(why)
        self.in_hand = in_hand


class Response(Protocol):
    """An answer of which the head is here; `next` and `read` raise EngineGone."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> bytes: ...

    @property
    def is_over(self) -> bool:
        """Whether all of it has come; raises EngineGone where nothing more will."""
        ...

    async def next(self) -> bytes:
        """What has come since, at least a byte; nothing at the end."""
        ...

    async def read(self) -> bytes:
        """All of it."""
        ...

    def close(self) -> None:
        """Done with it: a connection with more to come is closed, which ends the work."""
        ...
