"""No child outlives its parent, however the parent ends."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec a child must not import or allocate more than it has to.
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent's thread ends (Linux; elsewhere nothing).

    Call it as `preexec_fn`, from a thread that lives as long as the parent: the main thread.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
