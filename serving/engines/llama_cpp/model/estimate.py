"""Predicts a GGUF model's memory from its header alone."""

from pathlib import Path

from modelyard.serving.engines.config import EngineConfig, KvType
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.engines.gguf.cursor import ArrayFacts
from modelyard.serving.engines.gguf.header import Header
from modelyard.serving.engines.llama_cpp.model.header import read_header

SCORED_ROWS = 32
"""Prompt tokens a step can score besides those it samples; their logits are always allocated."""
_F16 = 2
_F32 = 4
_KV_SIZES: dict[KvType, float] = {"f16": 1.0, "q8_0": 34 / 64}  # 32 numbers in 34 bytes
_MIB = 1024 * 1024
_PROCESS = 76 * _MIB  # interpreter, server, libraries, graphs, after the first requests
_CARD = 450 * _MIB  # a CUDA context and its kernels, before any model
_WORD = 150  # bytes per token of vocabulary text, in llama.cpp and in Python


def estimate(config: EngineConfig) -> Footprint:
    """Predict an engine's memory on its device with these settings; raises ModelUnloadable.

    An embedding model reads a whole text in one batch and has no logits.
    """
    layers = config.gpu_layers
    header = read_header(Path(config.path))
    length = context_of(header, config.context_length)
    pooled = header.number("pooling_type") > 0
    batch = max(config.batch, length) if pooled else config.batch
    rows = 0 if pooled else config.parallel + SCORED_ROWS
    cells = length * config.parallel if _remembers(header) else 0
    kv_cache = cells * bytes_per_cell(header) * _KV_SIZES[config.kv_type]
    return Footprint(
        weights=_weights(header, layers),
        kv_cache=round(kv_cache * _share(header, layers)),
        compute=_compute(header, batch, length, rows),
        process=_CARD if layers else _process(header, batch),
    )


def _remembers(header: Header) -> bool:
    """Whether the model has a KV cache; encoders read a text once and keep none."""
    return bool(header.values.get(f"{header.architecture}.attention.causal", True))


def context_of(header: Header, asked: int, *, most: int = 8192) -> int:
    """The context per request in tokens: as asked, else the model's own up to `most`."""
    return asked or min(header.number("context_length", most), most)


def bytes_per_cell(header: Header) -> int:
    """Bytes of one token's keys and values over all layers, in F16."""
    heads = _heads(header)
    kv_heads = header.number("attention.head_count_kv", heads)
    return header.number("block_count") * kv_heads * sum(_head_widths(header)) * _F16


def _heads(header: Header) -> int:
    return max(header.number("attention.head_count", 1), 1)


def _head_widths(header: Header) -> tuple[int, int]:
    """Dimensions of one head's key and value."""
    usual = header.number("embedding_length") // _heads(header)
    key = header.number("attention.key_length", usual)
    return key, header.number("attention.value_length", usual)


def _share(header: Header, gpu_layers: int) -> float:
    """Share of the layers on the device: all, unless a GPU gets fewer."""
    layers = max(header.number("block_count"), 1)
    return min(gpu_layers, layers) / layers if gpu_layers > 0 else 1.0


def _weights(header: Header, gpu_layers: int) -> int:
    """The file's size; on a GPU the last layers, and the output only if all layers are there."""
    if gpu_layers == 0:
        return header.size
    layers = header.number("block_count")
    first = 0 if gpu_layers < 0 else max(0, layers - gpu_layers)
    whole = gpu_layers < 0 or gpu_layers > layers
    names = {tensor.name for tensor in header.tensors}
    output = "output" if "output.weight" in names else "token_embd"  # tied: a copy on the card
    return sum(t.size for t in header.tensors if _is_on_card(t.name, first, output, whole=whole))


def _is_on_card(tensor: str, first: int, output: str, *, whole: bool) -> bool:
    kind, _, rest = tensor.partition(".")
    if kind == "blk":
        return int(rest.partition(".")[0]) >= first
    return whole and kind in {output, "output_norm", "rope_freqs"}


def _compute(header: Header, batch: int, cells: int, rows: int) -> int:
    """Bytes of llama.cpp's compute graph: one batch at a layer's widest point, or its logits."""
    width = header.number("embedding_length")
    logits = rows * _vocabulary(header) * _F32
    widest = batch * max(_feed_forward(header, width), _attention(header, width)) * _F32
    mask = batch * cells * _F16
    return max(widest + mask, logits + batch * width * _F32) + logits  # logits again: output buffer


def _feed_forward(header: Header, width: int) -> int:
    """Values per token around the feed-forward block; a gated block has three inner parts."""
    inner = header.number("feed_forward_length", 4 * width)
    if used := header.number("expert_used_count"):
        inner = used * header.number("expert_feed_forward_length", inner)
    gated = any("ffn_gate" in t.name or _is_fused(t.name, t.shape, inner) for t in header.tensors)
    return 4 * width + (3 if gated else 1) * inner


def _is_fused(name: str, shape: tuple[int, ...], inner: int) -> bool:
    """Whether the gate and up projections share one tensor."""
    return ".ffn_up." in name and len(shape) > 1 and shape[1] == 2 * inner


def _attention(header: Header, width: int) -> int:
    """Values per token around attention: queries, keys, values and outputs."""
    heads = _heads(header)
    (key, value) = _head_widths(header)
    kv_heads = header.number("attention.head_count_kv", heads)
    return 2 * width + heads * (key + value) + kv_heads * (key + value)


def _process(header: Header, batch: int) -> int:
    inner = header.number("feed_forward_length", 4 * header.number("embedding_length"))
    converted = batch * inner * _F16  # one batch in the weights' multiplication type
    return _PROCESS + converted + _vocabulary(header) * _WORD


def _vocabulary(header: Header) -> int:
    tokens = header.values.get("tokenizer.ggml.tokens")
    return tokens.length if isinstance(tokens, ArrayFacts) else header.number("vocab_size")
