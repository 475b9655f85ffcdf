"""Runs work on a thread whose stack is as deep as the work may need."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from modelyard.serving.errors import EngineBusy

T = TypeVar("T")

_PAGE = 64 * 1024  # the largest page that a stack's size has to be a multiple of
_size = threading.Lock()


def on_stack(size: int, work: Callable[[], T]) -> T:
    """Do the work on a stack of `size` bytes, of which only what is used takes memory, for as long.

    Raises EngineBusy where the machine gives no thread that large.
    """
    done = Future[T]()
    thread = threading.Thread(target=_run, args=(work, done), name="deep", daemon=True)
    with _size:  # the size is the process's: whatever else starts meanwhile only gets more
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
