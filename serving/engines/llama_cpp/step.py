"""What one decode is made of: the next tokens of every writer, and pieces of prompts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.kv.slot import Slot
from modelyard.serving.engines.llama_cpp.speculation.speculation import Drafts


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` more tokens of a slot; its last one is at batch index `index`.

    `row` is its row of logits where they complete what is known, so the next can be drawn;
    `scores` is the first of `count` rows where each token's successor is to be scored. A `draft`
    follows in the batch, each guess with a row of its own; memory keeps those that are right.
    """

    slot: Slot
    count: int
    index: int
    row: int | None
    scores: int | None = None
    draft: Sequence[int] = ()

    @property
    def is_prompt(self) -> bool:
        return self.slot.sequence is None or self.slot.sequence.written == 0


@dataclass(frozen=True, slots=True)
class Step:
    """The chunks of one batch."""

    chunks: list[Chunk] = field(default_factory=list[Chunk])

    @classmethod
    def fill(
        cls, batch: Batch, slots: Iterable[Slot], spare: int = 0, drafts: Drafts | None = None
    ) -> "Step":
        """Writers first, one token each; then prompts in what is left, in the order given.

        Every slot may ask for one row of logits; those that score share `spare` more. `drafts`
        go with writers, who are known to leave room for them. The batch itself is in the order of
        slots: llama.cpp takes only neighbours in one pass over the weights.
        """
        batch.clear()
        guesses = drafts or {}
        room = batch.room
        counts = list[tuple[int, Slot, int]]()
        for slot in sorted(slots, key=lambda s: s.remaining > 1):
            count = min(slot.remaining, room)
            if slot.is_scored:
                count = min(count, 1 + spare)
                spare -= max(count - 1, 0)
            if count:
                counts.append((slot.index, slot, count))
                room -= count + len(guesses.get(slot.index, ()))
        counts.sort(key=lambda c: c[0])
        return cls([_chunk(batch, slot, n, guesses.get(index, ())) for index, slot, n in counts])

    @property
    def prompt_tokens(self) -> int:
        return sum(c.count for c in self.chunks if c.is_prompt)

    def done(self) -> None:
        """Memory now holds the chunks."""
        for chunk in self.chunks:
            chunk.slot.filled += chunk.count


def _chunk(batch: Batch, slot: Slot, count: int, draft: Sequence[int]) -> Chunk:
    last = count == slot.remaining
    tokens = slot.tokens[slot.filled : slot.filled + count]
    every = slot.is_scored
    index = batch.add(slot.index, tokens, slot.filled, wanted=last, every=every)
    row = batch.rows - 1 if last else None
    scores = batch.rows - count if every else None
    if draft:
        batch.add(slot.index, draft, slot.filled + count, wanted=True, every=True)
    return Chunk(slot, count, index, row, scores, draft)
