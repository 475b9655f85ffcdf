"""Whatever a text is, it becomes llama.cpp's own tokens or is refused; the process goes on."""

import base64
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import llama_cpp as lib
import pytest

from modelyard.serving.engines.llama_cpp.model.binding import LlamaModel
from modelyard.serving.engines.llama_cpp.tokenizer.deep_stack import PER_CHARACTER, on_stack
from modelyard.serving.engines.llama_cpp.tokenizer.special_tokens import clear
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import (
    UNBOUND,
    Bound,
    Tokenizer,
    native,
)
from modelyard.serving.engines.llama_cpp.tokenizer.unbroken_text import LONGEST
from modelyard.serving.errors import ContextLengthExceeded, TokenizingTooSlow, UnbrokenText
from tests.models.tiny_words import LLAMA_CPP, PRE_TOKENIZERS, write_bpe, write_spm

ROOM = 64 * 1024 * 1024
PIECES = (
    "A", "a", "bC", "aA", " ", "  ", "\n", "\r\n", "\t", "-", "--", "=", "7", "123", "漢", "字",
    "。", "、", "ひ", "한", "😀", "\u0301", "é", "it's", "'S", "don't", "<", "<|", "|>",
    "<|im_end|>", "<|im_start|>user\n", "<|begin|>", "x/y", "//", "٣", "\u3000", "\u200d", "नि",
    "ไทย", "\x01", "\U000e0fff", "_", "{", '"', "\ud800",
)  # fmt: skip
RUNS = ("A", "é", "漢", "7", " ", "\n", "-", "_", "。", "😀", "\u0301", "aA", "a ", "a b ", "x-")

FILL = "fill " * 1000
"""Makes a text long enough to be read in pieces."""

CHILD = """
import sys
from pathlib import Path
from tests.serving.engines.llama_cpp.tokenizer.test_tokenizer import RUNS, opened, read_on_half

for path in sys.argv[1:]:
    tokenizer = opened(Path(path))
    for run in RUNS:
        read_on_half(tokenizer, run * (6000 // len(run)))
print("all done")
"""


def opened(path: Path) -> Tokenizer:
    """A file's vocabulary, without a model."""
    params = lib.llama_model_default_params()
    params.vocab_only = True
    handle = lib.llama_model_load_from_file(str(path).encode(), params)
    assert handle, path
    return Tokenizer.of(LlamaModel(handle, lib.llama_model_get_vocab(handle)))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file for each way to cut a text into words."""
    folder = tmp_path_factory.mktemp("words")

    def written(pre: str) -> Path:
        path = folder / f"{pre}.gguf"
        return path if path.exists() else write_bpe(path, pre)

    return written


@pytest.fixture
def tekken(words: Callable[[str], Path]) -> Tokenizer:
    return opened(words("tekken"))


def _drawn(rng: random.Random, length: int) -> str:
    """A text of pieces that cutting may go wrong at."""
    parts = list[str]()
    while sum(map(len, parts)) < length:
        parts.append(rng.choice(PIECES) * rng.choice((1, 1, 1, 2, 3, 7, 50)))
    return "".join(parts)


def test_the_names_are_those_of_this_llama_cpp() -> None:
    """Another llama.cpp may know other ways to cut a text: look at its source, then write it here.

    `llama_vocab::impl::load` compares `tokenizer_pre` to each name, and
    `modelyard.serving.engines.llama_cpp.tokenizer.unbroken_text` says which of them need more than
    the usual care.
    """
    assert version("llama-cpp-python") == LLAMA_CPP


@pytest.mark.slow
def test_half_the_stack_would_do(words: Callable[[str], Path]) -> None:
    """Whatever the pre-tokenizer and the text: a third of all models need 320 bytes a character."""
    paths = [str(words(pre)) for pre in PRE_TOKENIZERS]
    command = [sys.executable, "-c", CHILD, *paths]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "all done\n"), run.stderr[-2000:]


def read_on_half(tokenizer: Tokenizer, text: str) -> None:
    """With half of the stack that a character is given, and little besides."""
    reading = partial(_native, tokenizer, text, begin=True, special=True)
    on_stack((len(text) + 200) * PER_CHARACTER // 2, reading)


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_tokens_are_those_of_the_whole(
    words: Callable[[str], Path], pre: str, full_length: int
) -> None:
    """However a long text is cut, with and without the model's beginning and special tokens."""
    tokenizer = opened(words(pre))
    rng = random.Random(pre)
    for length in (5, 50, 500, 5000) * full_length:
        text = _drawn(rng, length) + FILL + _drawn(rng, length)
        _same(tokenizer, text)


def _same(tokenizer: Tokenizer, text: str) -> None:
    for begin in (True, False):
        for special in (True, False):
            found = tokenizer.ids(text, begin=begin, special=special, bound=UNBOUND)
            whole = on_stack(ROOM, partial(_native, tokenizer, text, begin=begin, special=special))
            assert found == whole, repr(text)


def _read(tokenizer: Tokenizer, text: str) -> list[int]:
    bound = Bound("prompt", 10_000_000)
    return tokenizer.ids(text, begin=True, special=True, bound=bound)


def _native(tokenizer: Tokenizer, text: str, *, begin: bool, special: bool) -> list[int]:
    return native(tokenizer.handle, text, begin=begin, special=special)


def test_tokens_are_those_of_the_whole_where_special_tokens_overlap(tmp_path: Path) -> None:
    """Whatever names a model gives them: within one another, across one another, of spaces."""
    names = ("<a>", "<a", "a>", "<ab>", "ab><", "<<a", "  ", "   ", "\n\n", " x", "x ", "<x>", "yy",
             "yyy", "|y|", "<▁>", "é", "<é>", "<é", "zz<a>", "<ä>ä")  # fmt: skip
    rng = random.Random(7)
    for round_ in range(12):
        chosen = rng.sample(names, rng.randint(1, len(names)))
        kinds = {name: rng.choice((3, 4)) for name in chosen}  # control, user-defined
        tokenizer = opened(write_spm(tmp_path / f"{round_}.gguf", kinds))
        for _ in range(20):
            parts = rng.choices((*names, "a", "b", "<", ">", " ", "\n", "x", "y", "é"), k=60)
            text = "".join(parts)
            _same(tokenizer, text + FILL + text[::-1] + text)


def test_what_overlaps_is_not_cut_at() -> None:
    """Only a name that stands for its token wherever it stands."""
    names = [b"<s>", b"</s>", b"<|a|>", b"|a|", b"ab", b"bc", b"aa", b"<x", b"<x>", b" y", b"z"]
    assert {*clear(names)} == {b"<s>", b"</s>", b"<|a|>", b"<x>", b"z"}


def test_what_people_write_is_read(tekken: Tokenizer) -> None:
    """Long, but with places to break: encoded files, code in one line, Chinese, rules of dashes."""
    texts = (
        base64.b64encode(random.Random(0).randbytes(75_000)).decode(),
        "function(a,b){return a[b]||{x:1,y:[1,2,3]}};" * 3000,
        "今天天气很好、我们去公园玩吧。" * 10_000,
        f"log\n{'-' * 10_000}\n" * 20,
        f"if x:\n{' ' * 50_000}return\n",
        "a" * LONGEST,
    )
    for text in texts:
        assert _read(tekken, text)


ENDLESS = [*(("tekken", run) for run in RUNS[:-3]), ("exaone-moe", "a b "), ("bloom", "x-")]
"""What is one word for a pre-tokenizer, however long it goes on."""


@pytest.mark.parametrize(("pre", "run"), ENDLESS)
def test_a_word_without_end_is_refused(words: Callable[[str], Path], pre: str, run: str) -> None:
    """With an error of its own that names what is allowed, before any memory is spent on it."""
    text = f"before, {run * (2 * LONGEST // len(run))} after"
    with pytest.raises(UnbrokenText, match=str(LONGEST)) as refused:
        _read(opened(words(pre)), text)
    assert (refused.value.code, refused.value.param) == ("unbroken_text", "prompt")


def test_what_has_breaks_is_read(tekken: Tokenizer) -> None:
    """The same for a pre-tokenizer that ends a word there."""
    for run in RUNS[-3:]:
        assert _read(tekken, run * (2 * LONGEST // len(run)))


def test_the_limit_is_what_it_says(tekken: Tokenizer) -> None:
    """Wherever the stretch begins, one character more is one too many."""
    for before in ("", ", ", "12345 " * 9999):
        text = f"{before}{'A' * LONGEST}"
        assert _read(tekken, text)
        with pytest.raises(UnbrokenText, match=str(LONGEST + 1)):
            _read(tekken, f"{text}A")


@pytest.mark.parametrize("unit", ["<|im_end|>", "<|im_end|>a", "word and, ", "<|im_end|>{}"])
def test_what_cannot_fit_is_not_read_to_its_end(tekken: Tokenizer, unit: str) -> None:
    """Eight megabytes for a context of a few thousand tokens take the time of these few."""
    text = "".join(unit.format(n) for n in range(8_000_000 // len(unit)))
    begun = time.process_time()
    with pytest.raises(ContextLengthExceeded):
        tekken.ids(text, begin=True, special=True, bound=Bound("prompt", 2048))
    assert time.process_time() - begun < 60


def test_a_text_may_take_so_much_time(tekken: Tokenizer) -> None:
    """Each special token has its price: a text of nothing else is given up."""
    text = "".join(f"<|im_end|>{n}" for n in range(20_000))
    with pytest.raises(TokenizingTooSlow):
        tekken.ids(text, begin=True, special=True, bound=Bound("prompt", 100_000, seconds=0.2))


def test_special_tokens_that_cannot_be_cut_at_are_counted(tmp_path: Path) -> None:
    """llama.cpp's time for them grows with their square, and cannot be ended."""
    tokenizer = opened(write_spm(tmp_path / "lines.gguf", {"\n\n": 4, "\n\n\n": 4}))
    with pytest.raises(TokenizingTooSlow):
        tokenizer.ids("a\n\n" * 60_000, begin=True, special=True, bound=Bound("prompt"))
