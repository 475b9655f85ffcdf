"""How much private memory a process that runs a model may take; what asks for more, fails.

What a graph allocates can hang on a single token of a text, which no check of the file can see.
"""

import resource

MORE = 1 << 30
THREAD = 16 << 20
"""Bytes of a thread's stack and its part of the allocator, which count although they are not used.
"""


def memory_limit(expected: int, *, threads: int = 0, more: int = 0) -> int:
    """Bytes for a process that should need `expected`: twice that, and something for threads."""
    return 2 * expected + MORE + threads * THREAD + more


def limit_memory(most: int, process: int = 0) -> None:
    """Limit a process (0: this one) to `most` bytes; mapped files do not count.

    A limit that the process has already, and that is lower, stays.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.prlimit(process, resource.RLIMIT_DATA, (most, most))
