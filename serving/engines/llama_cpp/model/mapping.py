"""A memory-mapped model file: how much of it is resident, and how to release its pages."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

_MAPS = Path("/proc/self/smaps")
_AREA = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)")
_RESIDENT = re.compile(r"Rss:\s+(\d+) kB")


def resident(path: Path) -> int:
    """Resident bytes of the file; its whole size if the system does not report them."""
    if not _MAPS.is_file():
        return path.stat().st_size
    return sum(size for _, _, size in _areas(path))


def let_go(path: Path) -> None:
    """Drop the file's pages from this process; later reads fault them back in.

    llama.cpp keeps a second copy of quantized weights, in the order its CPU kernels read. The
    mapped originals, most of the file, would otherwise stay in memory unread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for start, end, _ in _areas(path):
        # If this fails the pages stay: more memory, same results.
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _areas(path: Path) -> Iterator[tuple[int, int, int]]:
    """Start, end and resident bytes of each mapping of the file."""
    name = str(path.resolve())
    area = None
    for line in _MAPS.read_text().splitlines() if _MAPS.is_file() else ():
        if head := _AREA.fullmatch(line):
            mine = head[3] == name
            area = (int(head[1], 16), int(head[2], 16)) if mine else None
        elif area and (found := _RESIDENT.fullmatch(line)):
            yield *area, int(found[1]) * 1024
