"""A model file as it is mapped into this process: how much of it is resident, and letting it go."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

_MAPS = Path("/proc/self/smaps")
_AREA = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)")
_RESIDENT = re.compile(r"Rss:\s+(\d+) kB")


def resident(path: Path) -> int:
    """Bytes of the file in this process's memory; where the system does not tell, all of it."""
    if not _MAPS.is_file():
        return path.stat().st_size
    return sum(size for _, _, size in _areas(path))


def let_go(path: Path) -> None:
    """Take the file's pages out of this process; what is still read comes back page by page.

    llama.cpp keeps quantized weights once more, in the order its processor kernels read: the
    mapped originals, most of the file, would stay in memory without anyone reading them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for start, end, _ in _areas(path):
        # Where this fails the pages stay: more memory, the same answers.
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _areas(path: Path) -> Iterator[tuple[int, int, int]]:
    """Where the file is mapped, from and to, and how many bytes of that are resident."""
    name = str(path.resolve())
    area = None
    for line in _MAPS.read_text().splitlines() if _MAPS.is_file() else ():
        if head := _AREA.fullmatch(line):
            mine = head[3] == name
            area = (int(head[1], 16), int(head[2], 16)) if mine else None
        elif area and (found := _RESIDENT.fullmatch(line)):
            yield *area, int(found[1]) * 1024
