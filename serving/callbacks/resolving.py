"""Looks up a host's addresses beside everything else that uses threads, however long it takes."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from modelyard.serving.callbacks.global_addresses import Address, literal

Resolver = Callable[[str], Awaitable[list[Address]]]
"""Gives the addresses of a host in the order to try them; raises OSError where there are none."""

MOST_AT_ONCE = 256

_running = threading.Semaphore(MOST_AT_ONCE)


async def resolve(host: str) -> list[Address]:
    """As a `Resolver`, by the system's resolver; raises OSError also while too many look up.

    A lookup cannot be ended; it has a thread of its own, for which no exit waits.
    """
    if (address := literal(host)) is not None:
        return [address]
    if not _running.acquire(blocking=False):
        raise OSError("too many lookups are under way")
    loop = asyncio.get_running_loop()
    found = loop.create_future()
    threading.Thread(target=_look_up, args=(host, loop, found), daemon=True).start()
    return await found


def _look_up(
    host: str, loop: asyncio.AbstractEventLoop, found: "asyncio.Future[list[Address]]"
) -> None:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ip_address(answer[4][0]) for answer in answers))
        told: list[Address] | Exception = addresses
    except (OSError, ValueError) as error:  # ValueError: a label that no name may have
        told = OSError(f"its name was not found: {error}")
    finally:
        _running.release()
    if not loop.is_closed():
        loop.call_soon_threadsafe(_tell, found, told)


def _tell(found: "asyncio.Future[list[Address]]", told: list[Address] | Exception) -> None:
    if found.done():  # nobody waits any more
        return
    if isinstance(told, Exception):
        found.set_exception(told)
    else:
        found.set_result(told)
