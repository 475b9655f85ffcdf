"""Ends this process once its parent is gone, also where the kernel's own signal came too early."""

import os
import signal
import threading
import time

LOOK_EVERY_S = 1.0


def end_with(parent: int, grace_s: float, look_every_s: float = LOOK_EVERY_S) -> None:
    """Watch from now on; after the parent's end, SIGTERM, and the end by force `grace_s` later.

    A parent that is killed between fork and exec has set no signal yet, and a server whose own
    shutdown hangs would ignore it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(look_every_s)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
