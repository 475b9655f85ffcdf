"""A smaller model of the same vocabulary that drafts tokens for a larger one."""

import time
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.kv.slot import common_prefix
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext, LlamaModel
from modelyard.serving.engines.llama_cpp.speculation.drafting import MOST
from modelyard.serving.engines.llama_cpp.speed import follow
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.errors import EngineFailed, ModelUnloadable

_COMPARED = 256  # tokens


@dataclass(slots=True)
class DraftModel:
    """The draft model, with `length` tokens of context a slot; used by the scheduler only."""

    model: LlamaModel
    context: LlamaContext
    length: int
    seconds: float = 0.0
    batch: Batch = field(init=False)

    def __post_init__(self) -> None:
        self.batch = Batch(self.context.shape.batch)

    def likeliest(self, sequence: int, tokens: list[int], start: int) -> int:
        """Read tokens from position `start` on; return the likeliest next token."""
        self.batch.clear()
        self.batch.add(sequence, tokens, start, wanted=True)
        if code := self.context.decode(self.batch.native):
            raise EngineFailed(f"The draft model refused a batch (code {code}).")
        return int(self.context.logits(1)[0].argmax())

    def close(self) -> None:
        self.context.close()
        self.model.close()


class ModelDrafter:
    """Drafts tokens for the sequence in one slot; a new sequence starts with nothing read."""

    def __init__(self, draft: DraftModel, index: int) -> None:
        self._draft = draft
        self._index = index
        self._tokens: list[int] = []
        self._read: list[int] = []

    @property
    def seconds(self) -> float:
        return self._draft.seconds

    def reach(self, tokens: list[int]) -> int:
        return MOST if len(tokens) + MOST <= self._draft.length else 0

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """Up to `count` tokens; empty while a long prompt is still being read, a batch per call."""
        missing = self._missing(tokens)
        most = self._draft.batch.capacity
        if len(missing) > most:
            self._ask(missing[:most])
            return []
        begun = time.perf_counter()
        guessed = [self._ask(missing)]
        while len(guessed) < count:
            guessed.append(self._ask(guessed[-1:]))
        each = (time.perf_counter() - begun) / count
        self._draft.seconds = follow(self._draft.seconds, each)
        return guessed

    def _ask(self, tokens: list[int]) -> int:
        token = self._draft.likeliest(self._index, tokens, len(self._read))
        self._read += tokens
        return token

    def _missing(self, tokens: list[int]) -> list[int]:
        """The tokens still to be read, after dropping wrong guesses from memory."""
        if tokens is not self._tokens:
            self._tokens = tokens
            self._read = []
        known = min(common_prefix(self._read, tokens), len(tokens) - 1)
        self._draft.context.trim(self._index, known)
        del self._read[known:]
        return tokens[known:]


def check_same_words(draft: Vocabulary, target: Vocabulary, path: str) -> None:
    """Raises ModelUnloadable if the two vocabularies differ."""
    step = max(target.size // _COMPARED, 1)
    same = draft.size == target.size and all(
        draft.spelling(token) == target.spelling(token) for token in range(0, target.size, step)
    )
    if not same:
        raise ModelUnloadable(
            f"The draft model {path} has another vocabulary than the model it is to help.",
            fix="Take a smaller model of the same family, or none (MODELYARD_DRAFT_MODEL).",
        )
