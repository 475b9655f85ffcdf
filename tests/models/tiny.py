"""Writes a GGUF file of a few million random weights in llama's architecture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.vocabulary import SPECIAL, Words, train

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def as_drawn(_name: str, weights: Any) -> Any:
    return weights


@dataclass(frozen=True, slots=True)
class Tiny:
    """A model's shape; `half` stores the matrices as F16, `endless` never ends by itself.

    With a `loop` the random weights are computed and leave no trace: after each of the first `loop`
    tokens comes the next, and after the last the first, as if a passage were copied.
    `change` may put other weights in the place of those that were drawn, tensor by tensor.
    `words` stands for the usual vocabulary of that size; a greedy answer has none of the `silent`.
    The tensors lie at multiples of `alignment` bytes in the file.
    `pre` is how the text is cut into words before that vocabulary sees them.
    """

    vocabulary: int = 1024
    width: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    inner: int = 128
    context: int = 2048
    half: bool = False
    endless: bool = False
    loop: int = 0
    seed: int = 0
    chat_template: str | None = CHAT
    change: Callable[[str, Any], Any] = as_drawn
    words: Words | None = None
    silent: tuple[int, ...] = ()
    pre: str = "llama-bpe"
    alignment: int = 32

    @property
    def key(self) -> int:
        """Numbers in one head's key."""
        return self.width // self.heads

    def write(self, path: Path) -> Path:
        import gguf

        words = self.words or train(self.vocabulary)
        writer: Any = gguf.GGUFWriter(path, "llama")
        writer.add_custom_alignment(self.alignment)
        self.describe(writer, gguf)
        spell(writer, gguf, words, self.pre)
        for name, weights in self.tensors():
            writer.add_tensor(name, self.change(name, weights))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def describe(self, writer: Any, gguf: Any) -> None:
        kind = gguf.LlamaFileType
        writer.add_name("tiny")
        writer.add_file_type(kind.MOSTLY_F16 if self.half else kind.ALL_F32)
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.width)
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(self.inner)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(self.key)
        writer.add_vocab_size(self.vocabulary)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)

    def tensors(self) -> Iterator[tuple[str, Any]]:
        rng = np.random.default_rng(self.seed)
        narrow = self.kv_heads * self.width // self.heads

        def matrix(rows: int, columns: int, scale: float) -> Any:
            weights = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)
            return weights.astype(np.float16 if self.half else np.float32)

        def even(rows: int, columns: int) -> Any:
            return matrix(rows, columns, columns**-0.5)

        ones = np.ones(self.width, np.float32)
        silent = np.float16(0) if self.loop else np.float16(1)
        words = matrix(self.vocabulary, self.width, 1.0)
        yield "token_embd.weight", words
        for layer in range(self.layers):
            block = f"blk.{layer}."
            yield block + "attn_norm.weight", ones
            yield block + "attn_q.weight", even(self.width, self.width)
            yield block + "attn_k.weight", even(narrow, self.width)
            yield block + "attn_v.weight", even(narrow, self.width)
            yield block + "attn_output.weight", even(self.width, self.width) * silent
            yield block + "ffn_norm.weight", ones
            yield block + "ffn_gate.weight", even(self.inner, self.width)
            yield block + "ffn_up.weight", even(self.inner, self.width)
            yield block + "ffn_down.weight", even(self.width, self.inner) * silent
        yield "output_norm.weight", ones
        output = matrix(self.vocabulary, self.width, 4 * self.width**-0.5)
        output[-len(SPECIAL) :] *= not self.endless
        output[: self.loop] = np.roll(words[: self.loop], 1, axis=0)
        output[list(self.silent)] = 0
        yield "output.weight", output


def spell(
    writer: Any, gguf: Any, words: Words, pre: str = "llama-bpe", *, model: str = "gpt2"
) -> None:
    normal = gguf.TokenType.NORMAL
    control = gguf.TokenType.CONTROL
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types([control if t in SPECIAL else normal for t in words.tokens])
    writer.add_token_merges(words.merges)
    writer.add_bos_token_id(words.id("<|begin|>"))
    writer.add_eos_token_id(words.id("<|im_end|>"))
    writer.add_add_bos_token(True)  # noqa: FBT003  gguf's own signature
