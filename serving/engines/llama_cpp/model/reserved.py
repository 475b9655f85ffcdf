"""The memory llama.cpp allocates, read from the sizes it logs while loading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.engines.llama_cpp.model.mapping import resident

_SIZE = re.compile(r"(\S+)\s+(model|KV|RS|compute|output) buffer size\s*=\s*([\d.]+) MiB")
_CARD = re.compile(r"(CUDA|ROCm|Vulkan|SYCL|MTL)\d+")
_CACHES = ("KV", "RS")
REPACKED = "CPU_REPACK"


@dataclass(frozen=True, slots=True)
class Reserved:
    """Bytes by (kind, where); the sizes of several models in one process add up."""

    sizes: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def hear(self, line: str) -> None:
        """Parse a line of llama.cpp's log."""
        if found := _SIZE.search(line):
            where, kind, size = found.groups()
            key = kind, where
            self.sizes[key] = self.sizes.get(key, 0) + round(float(size) * 2**20)

    @property
    def repacked(self) -> int:
        """Bytes of weights copied into another order than the file's."""
        return self.sizes.get(("model", REPACKED), 0)

    def footprint(self, path: Path) -> Footprint:
        """Memory of the model just loaded from `path`: on its card, else in main memory.

        Compute buffers count although they are untouched until the first full batch. A GPU driver's
        own share is left out: only NVML knows it.
        """
        on_card = {key: size for key, size in self.sizes.items() if _CARD.fullmatch(key[1])}
        return _parts(on_card) if on_card else self._on_processor(path)

    def _on_processor(self, path: Path) -> Footprint:
        parts = _parts(self.sizes)
        own = psutil.Process().memory_info().rss - resident(path)
        return Footprint(
            weights=path.stat().st_size,
            kv_cache=parts.kv_cache,
            compute=parts.compute,
            process=max(0, own - parts.kv_cache - self.repacked),
        )


def _parts(sizes: Mapping[tuple[str, str], int]) -> Footprint:
    def of(*kinds: str) -> int:
        return sum(size for (kind, _), size in sizes.items() if kind in kinds)

    return Footprint(weights=of("model"), kv_cache=of(*_CACHES), compute=of("compute", "output"))
