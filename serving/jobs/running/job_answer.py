"""The client's side of a job's request: nobody reads along, the answer is kept until its end."""

from dataclasses import dataclass, field

from modelyard.registry.errors import ErrorKind
from modelyard.serving.errors import ServingError
from modelyard.serving.jobs.running.whole_answer import WholeAnswer
from modelyard.serving.upstream.stream import Reply
from modelyard.serving.wire.openai.usage import NOTHING, TokenCounts
from modelyard.serving.wire.rate_headers import RateLimitStatus

MOST_RESULT = 64 * 1024**2
"""The most bytes of an answer that are kept; a stream's framing counts."""


class ResultTooLarge(ServingError):
    """An answer has more bytes than are kept of one."""

    code = "result_too_large"
    kind = ErrorKind.UNPROCESSABLE


@dataclass(slots=True)
class JobAnswer:
    """A `modelyard.serving.gateway.request.ResponseSink` that collects.

    `version` is empty until the engine answers; `status` is 0 until the answer is complete.
    """

    version: str = ""
    status: int = 0
    body: bytes = b""
    reply: Reply | None = None
    written: WholeAnswer = field(default_factory=WholeAnswer)
    room: RateLimitStatus | None = None
    explained: bytes = b""

    @property
    def is_unread(self) -> bool:
        return False

    @property
    def is_broken(self) -> bool:
        """Whether the engine ended in the middle of it."""
        return self.reply is not None and self.reply.broken

    @property
    def counts(self) -> TokenCounts:
        return NOTHING if self.reply is None else self.reply.counts

    async def whole(self, version: str, reply: Reply) -> None:
        self._begins(version, reply)
        _check_size(len(reply.first))
        self.body = reply.first
        self.status = reply.status

    async def begin(self, version: str, reply: Reply) -> None:
        self._begins(version, reply)

    async def send(self, events: bytes) -> None:
        _check_size(self.written.size + len(events))
        self.written.add(events)

    async def end(self) -> None:
        if self.reply is not None:
            self.status = self.reply.status
            self.body = self.written.json()

    def _begins(self, version: str, reply: Reply) -> None:
        self.version = version
        self.reply = reply


def _check_size(size: int) -> None:
    if size > MOST_RESULT:
        raise ResultTooLarge(
            f"The answer has more than {MOST_RESULT // 1024**2} MB, which is the most that is kept "
            "of a queued request.",
            fix="Ask for fewer or shorter answers: lower n or max_tokens.",
        )
