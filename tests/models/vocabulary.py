"""A small byte-level BPE vocabulary, trained on the standard library's own sources."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SPECIAL = ("<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>")
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class Words:
    """Tokens by id, and the merges that make them."""

    tokens: tuple[str, ...]
    merges: tuple[str, ...]

    def id(self, token: str) -> int:
        return self.tokens.index(token)


@lru_cache
def train(size: int, sources: Sequence[Path] = ()) -> Words:
    """Train `size` tokens, the special ones last; `sources` are read instead of the usual three."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    usual = [Path(str(m.__file__)) for m in (argparse, json, textwrap)]
    tokenizer.train_from_iterator([path.read_text() for path in sources or usual], trainer)
    return _words(tokenizer)


def _words(tokenizer: Any) -> Words:
    by_id = {i: token for token, i in tokenizer.get_vocab().items()}
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    joined = tuple(m if isinstance(m, str) else " ".join(m) for m in merges)
    return Words((*(by_id[i] for i in range(len(by_id))), *SPECIAL), joined)
