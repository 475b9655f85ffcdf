"""The content of one decode: the next token of every writer, and pieces of prompts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.kv.slot import Slot
from modelyard.serving.engines.llama_cpp.speculation.speculation import Drafts


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` more tokens of a slot; its last one is at batch index `index`.

    `row` is the row of logits to sample from, if the chunk reaches the sequence's last known token.
    `scores` is the first of `count` rows, if each token's successor is scored. A `draft` follows in
    the batch, one row per token; memory keeps the tokens that are right.
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
        """Writers first, one token each; then prompts in the remaining room, in the order given.

        Every slot may use one row of logits; slots that score share `spare` more. `drafts` belong
        to writers; the caller ensures that they fit. The batch is in slot order: llama.cpp takes
        only neighbours in one pass over the weights.
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
        """Record that memory now holds the chunks."""
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
