"""Assigns the KV slots: what is reused, shared between sequences, and evicted."""

import time
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.kv.slot import Hold, Sequence, Slot
from modelyard.serving.engines.llama_cpp.kv.spill import Spill, Spilled
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext

_WORTH_SHARING = 8  # tokens; computing this many costs about as much as a copy


@dataclass(slots=True)
class KvCache:
    """The slots of one context; every method runs on the thread that owns the context."""

    context: LlamaContext
    spill: Spill
    shared: bool = False  # among tenants
    slots: list[Slot] = field(init=False)

    def __post_init__(self) -> None:
        self.slots = [Slot(i) for i in range(self.context.shape.sequences)]

    @property
    def idle(self) -> list[Slot]:
        return [s for s in self.slots if s.is_idle]

    @property
    def running(self) -> list[Slot]:
        """Busy slots, oldest sequence first."""
        busy = [(s.sequence.number, s) for s in self.slots if s.sequence is not None]
        return [slot for _, slot in sorted(busy, key=lambda pair: pair[0])]

    @property
    def cells_used(self) -> int:
        """Upper bound: cells that several slots share are counted for each slot."""
        return sum(s.filled for s in self.slots)

    def place(self, sequence: Sequence, behind: int = 0) -> Slot:
        """Place a sequence in an idle slot, reusing as much of its prefix as memory or disk holds.

        `behind` further sequences may be placed before the next decode.
        """
        donor, shared = self._donor(sequence)
        spilled = self.spill.find(sequence, shared)
        free = self._free(donor, shared)
        # A restored file must not land in a slot that a pending copy still reads from.
        slot = self._beside(free if spilled is None else free[: behind + 1], sequence, behind)
        slot.hold = None
        if spilled is not None and self._restore(slot, spilled):
            self._keep(slot, sequence)
        elif donor is not None and donor is not slot and self._worth(slot, donor, sequence, shared):
            self._share(slot, donor, sequence, shared)
        else:
            self._keep(slot, sequence)
        sequence.reused = slot.hold.length if slot.hold else slot.filled
        return slot

    def settle(self, slot: Slot) -> bool:
        """Whether a slot may run: it has no hold, or its prefix is now ready or will never be."""
        hold = slot.hold
        if hold is None:
            return True
        donor = hold.donor
        if donor.filled >= hold.length and self._still_holds(donor, slot, hold.length):
            self._copy(donor, slot, hold.length)
        elif donor.sequence is hold.sequence:
            return False
        slot.hold = None
        if slot.sequence is not None:
            slot.sequence.reused = slot.filled
        return True

    def _still_holds(self, donor: Slot, slot: Slot, length: int) -> bool:
        """Whether the donor still has the prefix: other sequences may have used the slot since."""
        known = slot.sequence
        return known is not None and donor.common(known, shared=self.shared) >= length

    def evict(self) -> bool:
        """Forget the least recently used idle slot; False if none holds anything."""
        slot = min((s for s in self.idle if s.filled), key=lambda s: s.used, default=None)
        if slot is None:
            return False
        self.forget(slot)
        return True

    def save_idle(self, before: float) -> None:
        """Spill idle slots last used before this time, if the next prompt would need one."""
        if all(slot.filled for slot in self.slots):
            for slot in self.idle:
                if slot.used < before:
                    self.spill.save(slot)

    def forget(self, slot: Slot) -> None:
        """Free a slot's cells, spilling them to disk if that pays, and release its sequence."""
        self.spill.save(slot)
        self.context.forget(slot.index)
        slot.filled = 0
        slot.release(time.monotonic())

    def rewind(self, slot: Slot) -> None:
        """After a failed decode, trim memory to `filled` tokens."""
        if not self.context.trim(slot.index, slot.filled):
            self.context.forget(slot.index)
            slot.filled = 0

    def _donor(self, sequence: Sequence) -> tuple[Slot | None, int]:
        """The slot with the longest common prefix; at least one token is left to decode.

        Among equals it prefers a slot that has the prefix computed, then a busy one: an idle donor
        is not overwritten. A prefix of a few tokens, which all prompts of a model share, does not
        count.
        """
        best = None
        most = (_WORTH_SHARING, False, False)
        for slot in self.slots:
            length = min(slot.common(sequence, shared=self.shared), sequence.reusable)
            found = length, slot.filled >= length, not slot.is_idle
            if found > most and length > _WORTH_SHARING:
                best = slot
                most = found
        return best, most[0]

    def _free(self, donor: Slot | None, shared: int) -> list[Slot]:
        """The donor itself if little of it would be lost, else idle slots, least valuable first."""
        if donor is not None and donor.is_idle and 2 * shared >= donor.filled:
            return [donor]
        others = [s for s in self.idle if s is not donor] or self.idle
        return sorted(others, key=lambda s: (s.filled > 0, s.used))

    def _beside(self, free: list[Slot], sequence: Sequence, behind: int) -> Slot:
        """A slot next to running ones: split memory is computed in runs of neighbouring slots.

        Its content moves to the least valuable slot, unless this sequence and those behind it will
        take the slot anyway. So only the least recently used content is lost.
        """
        if self.context.shape.unified or sequence.left <= _WORTH_SHARING:
            return free[0]
        adapter = sequence.generation.adapter
        leaving = free[: behind + 1]
        busy = {s.index for s in self.slots if not s.is_idle and s.adapter == adapter}
        best = max(
            free, key=lambda s: ((s.index - 1 in busy) + (s.index + 1 in busy), s in leaving)
        )
        if best.filled and best not in leaving:
            self._move(best, free[0])
        return best

    def _move(self, source: Slot, target: Slot) -> None:
        """Move an idle slot's content to another slot and empty the first."""
        self.forget(target)
        target.tokens = source.tokens
        target.used = source.used
        target.tenant = source.tenant
        target.adapter = source.adapter
        self._copy(source, target, source.filled)
        source.tokens = []
        source.filled = 0
        self.context.forget(source.index)

    def _worth(self, slot: Slot, donor: Slot, sequence: Sequence, shared: int) -> bool:
        return shared > slot.common(sequence, shared=self.shared) + _WORTH_SHARING

    def _keep(self, slot: Slot, sequence: Sequence) -> None:
        """Continue from what the slot itself holds of the sequence."""
        length = min(slot.common(sequence, shared=self.shared), sequence.reusable, slot.filled)
        self.spill.save(slot, keep=length)
        slot.filled = length
        slot.occupy(sequence, slot.filled)
        self.rewind(slot)

    def _share(self, slot: Slot, donor: Slot, sequence: Sequence, shared: int) -> None:
        """Copy the donor's prefix, or wait until the donor has computed it."""
        self.forget(slot)
        slot.occupy(sequence, 0)
        if donor.filled >= shared:
            self._copy(donor, slot, shared)
        elif donor.sequence is not None:
            slot.hold = Hold(donor, donor.sequence, shared)

    def _restore(self, slot: Slot, spilled: Spilled) -> bool:
        if slot.index in self.context.copying:
            return False
        self.forget(slot)
        cells = self.context.shape.cells
        while self.context.shape.unified and self.cells_used + len(spilled.tokens) > cells:
            if not self.evict():
                return False
        return self.spill.restore(spilled, slot)

    def _copy(self, donor: Slot, slot: Slot, length: int) -> None:
        slot.filled = length if self.context.copy(donor.index, slot.index, length) else 0
