"""An engine's answer as it comes over HTTP, whoever brings it."""

from typing import Protocol


class EngineGone(Exception):
    """An engine did not answer, or ended in its answer."""


class Response(Protocol):
    """An answer of which the head is here; `next` and `read` raise EngineGone."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> bytes: ...

    async def next(self) -> bytes:
        """What has come since, at least a byte; nothing at the end."""
        ...

    async def read(self) -> bytes:
        """All of it."""
        ...

    def close(self) -> None:
        """Done with it: a connection with more to come is closed, which ends the work."""
        ...
