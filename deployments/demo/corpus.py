"""The text the demo model learns from: its split, its speeches, its tokens and its windows."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT = Path(__file__).with_name("tinyshakespeare.txt.gz")
BOS = "<|begin_of_text|>"
EOT = "<|eot|>"
SPECIALS = (BOS, EOT)
SPEECH_GAP = "\n\n"
# The pre-tokenizer llama.cpp knows as "llama-bpe"; ours must cut words exactly as it does.
LLAMA_BPE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class Split:
    """Three consecutive parts of the text, cut between speeches."""

    train: str
    validation: str  # picks the checkpoint that is kept
    heldout: str  # measured once, at the end


def read_split(path: Path = TEXT) -> Split:
    """Cut the text into 90% to learn from, about 80 KB to choose by, and 30 KB held out."""
    text = gzip.decompress(path.read_bytes()).decode()
    first = text.index(SPEECH_GAP, int(len(text) * 0.9)) + len(SPEECH_GAP)
    second = text.index(SPEECH_GAP, len(text) - 30_000) + len(SPEECH_GAP)
    return Split(text[:first], text[first:second], text[second:])


def speeches(text: str) -> list[str]:
    """Every speech, its speaker's line first, without the blank line that follows it."""
    return [speech.strip("\n") for speech in text.split(SPEECH_GAP) if speech.strip()]


def train_tokenizer(text: str, vocabulary: int) -> Tokenizer:
    """A byte-level BPE of exactly `vocabulary` tokens, the special ones last."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = pre_tokenizers.Split(Regex(LLAMA_BPE), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token; a KeyError when there is none."""
    return tokenizer.get_vocab()[token]


def merges(tokenizer: Tokenizer) -> list[str]:
    """The BPE merges in order, each as `left right`."""
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in pairs]


@dataclass(frozen=True, slots=True)
class CorpusTokens:
    """One text as token ids, and the places where a speech begins."""

    ids: "NDArray[np.int64]"
    starts: "NDArray[np.int64]"
    bos: int

    @classmethod
    def of(cls, text: str, tokenizer: Tokenizer, *, marked: bool) -> "CorpusTokens":
        """Encode a text; `marked` ends each speech with the end-of-turn token."""
        gap = (EOT if marked else "") + SPEECH_GAP
        encoded = [tokenizer.encode(speech + gap).ids for speech in speeches(text)]
        lengths = [len(ids) for ids in encoded]
        starts = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
        ids = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in encoded])
        return cls(ids, starts, token_id(tokenizer, BOS))

    def window(self, start: int, length: int) -> "NDArray[np.int64]":
        """`length + 1` ids: the beginning-of-text token, then the text from `start` on."""
        begin = min(start, len(self.ids) - length)
        return np.concatenate([[self.bos], self.ids[begin : begin + length]])

    def draw(self, chance: np.random.Generator, length: int) -> "NDArray[np.int64]":
        """A random window; half of them open on a speech, as every chat does."""
        at_a_speech = chance.random() < 0.5
        start = chance.choice(self.starts) if at_a_speech else chance.integers(len(self.ids))
        return self.window(int(start), length)
