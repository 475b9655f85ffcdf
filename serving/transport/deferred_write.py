"""Defers writes to the end of the event loop's turn, so that they leave in quick succession.

A write wakes its reader. If the reader sleeps on another core, waking it costs more than the rest
of the write; the second of two writes in a row finds its reader awake.
"""

import asyncio
from collections.abc import Iterable


def write_soon(
    loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, parts: Iterable[bytes]
) -> None:
    """Write at the end of this turn, in call order; a transport closed by then gets nothing.

    To close a transport after its last write, use `loop.call_soon` as well.
    """
    loop.call_soon(_write, transport, parts)


def _write(transport: asyncio.WriteTransport, parts: Iterable[bytes]) -> None:
    if not transport.is_closing():
        transport.writelines(parts)
