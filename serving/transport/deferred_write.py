"""Writes at the end of a turn of the loop: those of one turn leave one right after the other.

A write wakes its reader. Where that sleeps on another core, this costs more than all else of the
write; the second of two in a row finds its reader awake.
"""

import asyncio
from collections.abc import Iterable


def write_soon(
    loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, parts: Iterable[bytes]
) -> None:
    """In the order of the calls; what is closed by then gets nothing.

    Whoever closes a transport after this lets its turn pass first (`loop.call_soon`).
    """
    loop.call_soon(_write, transport, parts)


def _write(transport: asyncio.WriteTransport, parts: Iterable[bytes]) -> None:
    if not transport.is_closing():
        transport.writelines(parts)
