"""Ends an engine process with its worker: when standard input closes."""

import os
import threading


def end_with_stdin() -> None:
    """Watch standard input in a thread and exit at once when it closes."""
    threading.Thread(target=_watch, name="stdin", daemon=True).start()


def _watch() -> None:
    # os.read, not sys.stdin: a thread inside a buffered reader blocks the interpreter's exit.
    while os.read(0, 4096):
        pass
    os._exit(0)
