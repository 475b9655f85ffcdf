"""Text output of an engine: whole characters only, and no part of a stop string."""

import codecs
from dataclasses import dataclass, field


@dataclass(slots=True)
class StopText:
    """Passes text up to the first stop string, holding back a possible beginning of one."""

    stops: tuple[str, ...] = ()
    stopped: bool = False
    _held: str = ""

    def push(self, text: str) -> str:
        """Add text and return what is safe to show; nothing after a stop string."""
        if self.stopped:
            return ""
        self._held += text
        found = [at for stop in self.stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._let_go(min(found))
        return self._let_go(len(self._held) - self._longest_start())

    def rest(self) -> str:
        """The text held back, once no more text comes."""
        return self._let_go(len(self._held)) if not self.stopped else ""

    def _let_go(self, count: int) -> str:
        safe, self._held = self._held[:count], self._held[count:]
        return safe

    def _longest_start(self) -> int:
        """Number of trailing characters that could begin a stop string."""
        return max((_overlap(self._held, stop) for stop in self.stops), default=0)


def _overlap(text: str, stop: str) -> int:
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


@dataclass(slots=True)
class TextStream:
    """Decodes tokens' bytes to text; a character split over tokens waits for its last byte."""

    stops: StopText
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def push(self, piece: bytes) -> str:
        return self.stops.push(self._decoder.decode(piece))

    def rest(self) -> str:
        """The end of the text; an incomplete character becomes U+FFFD."""
        return self.stops.push(self._decoder.decode(b"", final=True)) + self.stops.rest()
