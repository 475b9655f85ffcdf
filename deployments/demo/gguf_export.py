"""Write the trained weights, their tokenizer and chat template as one GGUF file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import gguf
import numpy as np

from modelyard.deployments.demo import corpus

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


class Sizes(Protocol):
    """What the file's header says of the network; `network.Shape` is one."""

    @property
    def vocabulary(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def feed_forward(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def rope_base(self) -> float: ...
    @property
    def epsilon(self) -> float: ...
    @property
    def head_size(self) -> int: ...


def write(
    path: Path, sizes: Sizes, tokenizer: "Tokenizer", weights: Mapping[str, "NDArray[np.float32]"]
) -> None:
    """Write an F16 file (norms in F32), whole or not at all.

    Args:
        path: where the file shall stand.
        sizes: the shape of the network.
        tokenizer: as `corpus.train_tokenizer` made it.
        weights: by torch name; matrices are [out, in]. There is no `output.weight`:
            llama.cpp then reads `token_embd.weight` in its place.
    """
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    _describe(writer)
    _add_sizes(writer, sizes)
    _add_tokenizer(writer, tokenizer)
    for name, weight in weights.items():
        kept = weight.astype(np.float16 if weight.ndim > 1 else np.float32)
        writer.add_tensor(name.replace(".attention.", "."), kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("Tiny Shakespeare")
    writer.add_author("Modelyard")
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])


def _add_sizes(writer: gguf.GGUFWriter, sizes: Sizes) -> None:
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.width)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_layer_norm_rms_eps(sizes.epsilon)
    writer.add_rope_dimension_count(sizes.head_size)
    writer.add_rope_freq_base(sizes.rope_base)
    writer.add_vocab_size(sizes.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: "Tokenizer") -> None:
    ids = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    tokens = [token for token, _ in ids]
    control = gguf.TokenType.CONTROL
    normal = gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types([control if t in corpus.SPECIALS else normal for t in tokens])
    writer.add_token_merges(corpus.merges(tokenizer))
    writer.add_bos_token_id(corpus.token_id(tokenizer, corpus.BOS))
    writer.add_eos_token_id(corpus.token_id(tokenizer, corpus.EOT))
    writer.add_eot_token_id(corpus.token_id(tokenizer, corpus.EOT))
    writer.add_add_bos_token(value=True)
    writer.add_chat_template(CHAT_TEMPLATE.read_text().rstrip("\n"))
