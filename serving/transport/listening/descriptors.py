"""How many connections fit into a process' file descriptor limit."""

import resource

MOST_WANTED = 65_536
"""Descriptors asked for at most: some libraries iterate over every possible one."""

OWN = 64
"""Descriptors kept for databases, journals, Redis and similar."""

LEAST = 8


def raised() -> int:
    """Raise the soft descriptor limit, to MOST_WANTED at most; returns the descriptors usable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_WANTED if hard == resource.RLIM_INFINITY else min(hard, MOST_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MOST_WANTED if soft == resource.RLIM_INFINITY else soft


def room_of(descriptors: int) -> int:
    """Client connections allowed at once: each may need another connection to its engine."""
    return max(LEAST, (descriptors - OWN) * 3 // 8)


def backlog_of(room: int) -> int:
    """Listen backlog: all waiting connections are accepted before any can be closed.

    `room_of` leaves this many descriptors free.
    """
    return max(LEAST, min(room // 2, 2048))
