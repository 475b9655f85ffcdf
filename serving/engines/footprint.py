"""The memory one engine process takes on its device, by what it is for."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes. On a processor: of main memory; on a GPU: of the card's.

    Weights that are mapped from a file count in full: without them in memory every token would
    wait for the disk. `process` is all that is not the model's: interpreter, libraries, buffers.
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
