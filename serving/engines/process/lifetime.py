"""An engine process ends when its worker does: standard input closing is the sign."""

import os
import threading


def end_with_stdin() -> None:
    """Watch standard input in a thread and leave at once when its other end is gone."""
    threading.Thread(target=_watch, name="stdin", daemon=True).start()


def _watch() -> None:
    # os.read, not sys.stdin: a thread inside a buffered reader stops the interpreter's own exit.
    while os.read(0, 4096):
        pass
    os._exit(0)
