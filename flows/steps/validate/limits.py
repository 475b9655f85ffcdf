"""Resource limits that a process sets before it opens an untrusted file."""

import resource

MEMORY = 1 << 30
CPU_S = 20


def limit_this_process(more_memory: int = 0) -> None:
    """Allow 1 GiB plus `more_memory`, 20 s of CPU, 32 open files and no file writes."""
    bounds = {
        resource.RLIMIT_AS: MEMORY + more_memory,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        allowed = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (allowed, allowed))
