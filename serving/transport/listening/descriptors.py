"""How many connections fit into the descriptors that the system lets a process have."""

import resource

MOST_WANTED = 65_536
"""More than so many nobody needs, and some libraries look at each one that there may be."""

OWN = 64
"""Kept for databases, journals, Redis and the like."""

LEAST = 8


def raised() -> int:
    """Have as many descriptors as this process may; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_WANTED if hard == resource.RLIM_INFINITY else min(hard, MOST_WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MOST_WANTED if soft == resource.RLIM_INFINITY else soft


def room_of(descriptors: int) -> int:
    """Connections of clients at once: each may need another one to its engine."""
    return max(LEAST, (descriptors - OWN) * 3 // 8)


def backlog_of(room: int) -> int:
    """Connections that may wait to be taken: all are taken at once, before any can be ended.

    So many descriptors are left by `room_of`.
    """
    return max(LEAST, min(room // 2, 2048))
