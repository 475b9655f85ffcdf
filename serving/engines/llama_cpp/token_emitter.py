"""Processes a decode's results: samples tokens, verifies drafts, scores prompts, ends answers."""

import time
from dataclasses import dataclass, field

from modelyard.serving.engines.generation import Finish, TokenPosition
from modelyard.serving.engines.llama_cpp.kv.prefix_cache import KvCache
from modelyard.serving.engines.llama_cpp.kv.slot import End, News, Sequence, Slot
from modelyard.serving.engines.llama_cpp.mailbox import Mailbox
from modelyard.serving.engines.llama_cpp.model.binding import Logits
from modelyard.serving.engines.llama_cpp.sampling.scoring import score
from modelyard.serving.engines.llama_cpp.speculation.speculation import Speculation
from modelyard.serving.engines.llama_cpp.step import Chunk, Step
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.measures import Measures
from modelyard.serving.errors import EngineFailed, GrammarTooSlow


@dataclass(slots=True)
class TokenEmitter:
    """Turns rows of logits into news for sequences."""

    cache: KvCache
    vocabulary: Vocabulary
    speculation: Speculation
    measures: Measures
    post: Mailbox = field(default_factory=Mailbox)
    _now: float = 0.0  # when the last step was done

    def gather(self, step: Step, logits: Logits, now: float) -> int:
        """Process a step's chunks, decoded at `now`; returns the number of tokens written."""
        self._now = now
        written = 0
        for chunk in step.chunks:
            sequence = chunk.slot.sequence
            if sequence is None:
                continue
            if chunk.scores is not None:
                self._score_prompt(chunk, sequence, logits[chunk.scores :])
            if chunk.row is not None:
                before = sequence.written
                self._write(chunk, sequence, logits[chunk.row :])
                written += sequence.written - before
        return written

    def finish(self, slot: Slot, end: End) -> None:
        sequence = slot.sequence
        slot.release(time.monotonic())
        if sequence is not None:
            self.close(sequence, end)

    def close(self, sequence: Sequence, end: End) -> None:
        if sequence.sampler is not None:
            sequence.sampler.close()
            sequence.sampler = None
        self.post.add(sequence, end)

    def _write(self, chunk: Chunk, sequence: Sequence, rows: Logits) -> None:
        """Sample the next token, and one more for each draft token that turns out right."""
        slot = chunk.slot
        right = 0
        if not sequence.left:
            self.finish(slot, Finish.LENGTH)
            return
        token = self._draw(chunk, sequence, 0, rows[0])
        for guess in chunk.draft:
            if token != guess or slot.sequence is None:
                break
            slot.filled += 1
            right += 1
            token = self._draw(chunk, sequence, right, rows[right])
        if chunk.draft:
            self.speculation.learn(slot.index, len(chunk.draft), right)
        if right < len(chunk.draft):
            self.cache.rewind(slot)

    def _draw(self, chunk: Chunk, sequence: Sequence, nth: int, row: Logits) -> int | None:
        """Sample from one row; None if no token can be drawn, which ends the answer."""
        if sequence.sampler is None:
            token = int(row.argmax())
        else:
            try:
                handle = self.cache.context.handle
                token = sequence.sampler.sample(handle, chunk.index + nth, row)
            except (EngineFailed, GrammarTooSlow) as error:
                self.finish(chunk.slot, error)
                return None
        self._take(chunk.slot, sequence, token, row)
        return token

    def _take(self, slot: Slot, sequence: Sequence, token: int, row: Logits) -> None:
        ends = token in self.vocabulary.ends and not sequence.generation.endless
        scoring = sequence.generation.scoring
        news: News = token
        if scoring is not None:
            news = score(
                row, token, scoring.top, TokenPosition.END if ends else TokenPosition.WRITTEN
            )
        if ends:
            if scoring is not None:
                self.post.add(sequence, news)
            self.finish(slot, Finish.STOP)
            return
        self.measures.token(sequence.times, self._now)
        sequence.tokens.append(token)
        self.post.add(sequence, news)
        if not sequence.left:
            self.finish(slot, Finish.LENGTH)

    def _score_prompt(self, chunk: Chunk, sequence: Sequence, rows: Logits) -> None:
        """Score the successor of each token of a chunk, skipping tokens already scored."""
        prompt = sequence.generation.prompt
        scoring = sequence.generation.scoring
        start = chunk.slot.filled - chunk.count
        for row, place in zip(rows, range(start + 1, chunk.slot.filled + 1), strict=False):
            if scoring is not None and sequence.scored <= place < len(prompt):
                self.post.add(
                    sequence, score(row, prompt[place], scoring.top, TokenPosition.PROMPT)
                )
                sequence.scored = place + 1
