"""The LoRA adapters of one model: loaded on first use, switched on the context in turns."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.registry.errors import FileMissing
from modelyard.registry.store.layout import object_path
from modelyard.serving.engines.llama_cpp.kv.slot import Slot
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext, LlamaModel
from modelyard.serving.engines.llama_cpp.model.header import read_header
from modelyard.serving.errors import ModelUnloadable

MOST_LOADED = 16
TURN_S = 0.01
"""A switch costs llama.cpp 0.3 to 3 ms; a turn is many steps of a small model, one of a large one.

Longer turns gain at most 10 % in tokens per second, and streams pause for whole turns.
"""


@dataclass(slots=True)
class LoadedAdapters:
    """Loaded adapters by the sha256 of their files in `store`; for the context's thread only.

    At most `most_loaded` stay in memory, besides those in use.
    """

    model: LlamaModel
    context: LlamaContext
    store: Path | None = None
    most_loaded: int = MOST_LOADED
    on: str = ""
    _loaded: dict[str, Any] = field(default_factory=dict[str, Any])  # least recently used first

    def use(self, sha256: str) -> None:
        """Run the next decodes with this adapter; empty means none. Raises what `load` raises."""
        if sha256 != self.on:
            self.context.adapt(self.load(sha256) if sha256 else None)
            self.on = sha256

    def load(self, sha256: str) -> Any:
        """Load an adapter; raises FileMissing, or ModelUnloadable if it does not fit the model."""
        handle = self._loaded.pop(sha256, None) or self._open(sha256)
        self._loaded[sha256] = handle
        idle = [name for name in self._loaded if name not in {self.on, sha256}]
        for name in idle[: max(len(self._loaded) - self.most_loaded, 0)]:
            self.model.free_adapter(self._loaded.pop(name))
        return handle

    def _open(self, sha256: str) -> Any:
        path = object_path(self.store, sha256) if self.store else None
        if path is None or not path.is_file():
            raise FileMissing(
                f"The store holds no adapter {sha256[:12]}….",
                fix="Add it again with `modelyard models add-adapter`.",
            )
        if read_header(path).values.get("general.type") != "adapter":
            raise ModelUnloadable(f"{path} is not a LoRA adapter.")
        return self.model.load_adapter(str(path))


@dataclass(slots=True)
class AdapterSchedule:
    """Groups sequences by adapter and runs the groups in turns, since a decode uses one adapter.

    A turn is `turn_s` seconds.
    """

    turn_s: float = TURN_S
    adapter: str = ""
    _until: float = 0.0
    _last: dict[str, float] = field(default_factory=dict[str, float])

    def take(self, slots: Iterable[Slot]) -> list[Slot]:
        """The slots whose turn it is; the next turn goes to the adapter that has waited longest."""
        groups: dict[str, list[Slot]] = {}
        for slot in slots:
            groups.setdefault(slot.adapter, []).append(slot)
        now = time.monotonic()
        if groups and (self.adapter not in groups or (len(groups) > 1 and now >= self._until)):
            self._last[self.adapter] = now
            self.adapter = min(groups, key=lambda adapter: self._last.get(adapter, 0.0))
            self._until = now + self.turn_s
        return groups.get(self.adapter, [])
