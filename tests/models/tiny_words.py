"""Writes GGUF files that have a vocabulary and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.models.tiny import Tiny, spell
from tests.models.vocabulary import train

PRE_TOKENIZERS = (
    "a.x-4.0", "afmoe", "bailingmoe", "bailingmoe2", "bloom", "chameleon", "chatglm-bpe",
    "codeshell", "cohere2moe", "command-r", "dbrx", "deepseek-coder", "deepseek-llm",
    "deepseek-r1-qwen", "deepseek-v3", "default", "exaone", "exaone-moe", "exaone4", "f2llmv2",
    "falcon", "falcon-h1", "falcon3", "gemma4", "gigachat", "glm4", "glm5", "gpt-2", "gpt-4o",
    "gpt3-finnish", "granite-docling", "granite-embed-multi-311m", "granite-embed-multi-97m",
    "grok-2", "hunyuan", "hunyuan-dense", "hy_v4", "jais", "jais-2", "jina-de", "jina-es",
    "jina-v1-en", "jina-v2-code", "jina-v2-de", "jina-v2-es", "jina-v5-nano", "joyai-llm",
    "kanana2", "kimi-k2", "kormo", "laguna", "lfm2", "llada-moe", "llama-bpe", "llama-v3",
    "llama3", "llama4", "megrez", "mellum", "mellum2", "midm-2.0", "minerva-7b", "minicpm5",
    "minimax-m2", "modern-bert", "mpt", "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35",
    "refact", "roberta-bpe", "sarvam-moe", "seed-coder", "smaug-bpe", "smollm", "solar-open",
    "spark2_5", "stablelm2", "starcoder", "superbpe", "talkie", "tekken", "tiny_aya", "trillion",
    "ufakzeka", "viking", "whitespace", "youtu",
)  # fmt: skip
"""All that llama.cpp of LLAMA_CPP knows by name."""

LLAMA_CPP = "0.3.36"


def write_bpe(path: Path, pre: str) -> Path:
    """BPE of bytes, cut into words as `pre` says; by "whitespace" only words of their own kind."""
    import gguf

    writer: Any = gguf.GGUFWriter(path, "llama")
    Tiny().describe(writer, gguf)
    spell(writer, gguf, train(1024), pre, model=pre if pre == "whitespace" else "gpt2")
    return _written(writer, path)


def write_spm(path: Path, special: Mapping[str, int]) -> Path:
    """SentencePiece of letters, bytes, and special tokens, each of a kind of gguf's."""
    import gguf

    kinds = gguf.TokenType
    letters = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁", *"abcdefxyz"]
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256]
    tokens = [*letters, "ab", "abc", "▁a", *special]
    types += [kinds.NORMAL] * (len(letters) - len(types) + 3) + [*special.values()]
    writer: Any = gguf.GGUFWriter(path, "llama")
    Tiny(vocabulary=len(tokens)).describe(writer, gguf)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(n) for n in range(len(tokens))])
    writer.add_token_types(types)
    return _written(writer, path)


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path
