"""An engine's answer, whole or as whole server-sent events that end in an error if it breaks."""

import msgspec

from modelyard.serving.errors import EngineFailed
from modelyard.serving.upstream.response import EngineGone, Response
from modelyard.serving.wire.errors import error_reply
from modelyard.serving.wire.openai.events import END, event, take_counted
from modelyard.serving.wire.openai.usage import NOTHING, TokenCounts, read_counts


class Reply(msgspec.Struct, eq=False):
    """An engine's answer; `first` is the whole body unless `streamed`.

    `counts` is complete after `ended`. `broken`: a stream broke off; `in_hand`: the engine closed
    the connection while it had the request.
    """

    response: Response
    status: int
    first: bytes
    streamed: bool
    counts: TokenCounts = NOTHING
    events: int = 0
    broken: bool = False
    in_hand: bool = False
    rest: bytes = b""

    def ended(self) -> None:
        """Complete `counts` after the last byte."""
        if not self.streamed:
            self.counts = read_counts(self.first)

    async def next(self) -> bytes:
        """The next whole events; empty at the end.

        If the stream breaks, a partial event is dropped and an error event is returned.
        """
        try:
            while chunk := self.first or await self.response.next():
                self.first = b""
                if events := self._cut(chunk):
                    return events
        except EngineGone as gone:
            if not self.broken:
                self.broken = True
                self.in_hand = gone.in_hand
                return event(error_reply(_ended()))
        return b""

    def close(self) -> None:
        """Release the answer, which ends the engine's work if it is not complete."""
        self.response.close()

    def _cut(self, chunk: bytes) -> bytes:
        if self.rest:
            chunk, self.rest = self.rest + chunk, b""
        if not chunk.endswith(END):
            whole, end, self.rest = chunk.rpartition(END)
            chunk = whole + end
        events, counts = take_counted(chunk)
        self.counts = counts or self.counts
        self.events += events.count(END)
        return events


async def begin(response: Response) -> Reply:
    """Wait for the first bytes; raises EngineGone if the engine ends before them."""
    streamed = response.content_type.startswith(b"text/event-stream")
    try:
        first = await (response.next() if streamed else response.read())
    except BaseException:
        response.close()
        raise
    if not first:
        response.close()
        raise EngineGone("it ended without a word")
    return Reply(response, response.status, first, streamed)


def _ended() -> EngineFailed:
    return EngineFailed(
        "The engine ended in the middle of the answer.", fix="Send the request again."
    )
