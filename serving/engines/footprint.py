"""The memory that one engine process takes on its device, by purpose."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of main memory, or of the card's memory on a GPU.

    Memory-mapped weights count in full: if they were not resident, every token would wait for the
    disk. `process` is everything but the model: interpreter, libraries, buffers.
    """

    weights: int = 0
    kv_cache: int = 0
    compute: int = 0
    process: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute + self.process

    def as_json(self) -> dict[str, int]:
        return asdict(self)
