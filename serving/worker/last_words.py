"""The last lines a process printed, for the error message about its exit."""

from collections import deque
from dataclasses import dataclass, field

LINES = 50
LINE_BYTES = 500


@dataclass(slots=True)
class OutputTail:
    """Keeps the last lines of a byte stream, which need not be valid UTF-8."""

    _lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=LINES))
    _open: bytes = b""

    def hear(self, data: bytes) -> None:
        *whole, self._open = (self._open + data).split(b"\n")
        self._open = self._open[-LINE_BYTES:]
        for line in whole[-LINES:]:
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        text = line[:LINE_BYTES].decode(errors="replace").strip()
        if text:
            self._lines.append(text)

    @property
    def lines(self) -> tuple[str, ...]:
        ending = self._open.decode(errors="replace").strip()
        return (*self._lines, *((ending,) if ending else ()))
