"""Runs work on a thread with a stack of a given size."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from modelyard.serving.errors import EngineBusy

T = TypeVar("T")

PER_CHARACTER = 1024
"""Bytes of stack per character of a word that is split; a usual llama.cpp build uses 320."""

_PAGE = 64 * 1024  # the largest page size; a stack's size must be a multiple of the page size
_size = threading.Lock()


def on_stack(size: int, work: Callable[[], T]) -> T:
    """Run `work` on a temporary thread with a stack of `size` bytes; only used pages take memory.

    Raises EngineBusy if the system cannot start such a thread.
    """
    done = Future[T]()
    thread = threading.Thread(target=_run, args=(work, done), name="deep", daemon=True)
    with _size:  # the size is process-wide: other threads started meanwhile only get larger stacks
        usual = threading.stack_size(-(-size // _PAGE) * _PAGE)
        try:
            thread.start()
        except RuntimeError as error:
            raise EngineBusy(f"No stack of {size} bytes is to be had: {error}.") from error
        finally:
            threading.stack_size(usual)
    return done.result()


def _run(work: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001  it is the caller's, who waits for it
        done.set_exception(error)
