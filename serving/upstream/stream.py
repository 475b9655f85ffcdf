"""An engine's answer as it arrives: whole, or as events that end well even where it breaks."""

import msgspec

from modelyard.serving.errors import EngineFailed
from modelyard.serving.upstream.response import EngineGone, Response
from modelyard.serving.wire.errors import error_reply
from modelyard.serving.wire.openai.events import END, event, take_counted
from modelyard.serving.wire.openai.usage import NOTHING, TokenCounts, read_counts


class Reply(msgspec.Struct, eq=False):
    """What an engine answers; `first` is all of what is not `streamed`.

    `counts` is complete once it has `ended`; `in_hand`: it is `broken` as its engine ended.
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
        """Nothing more comes."""
        if not self.streamed:
            self.counts = read_counts(self.first)

    async def next(self) -> bytes:
        """The next whole events; nothing at the end.

        Of a stream that breaks, half an event goes and an error comes.
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
        """Ends the engine's work where it has not come to its end."""
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
    """Wait for the first bytes; raises EngineGone where the engine ends before."""
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
