"""Which of llama.cpp's architectures read texts whole, and so write none."""

from collections.abc import Mapping
from typing import Any

ENCODERS = frozenset(
    {
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "llama-embed",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "t5encoder",
    }
)


def is_encoder(values: Mapping[str, Any]) -> bool:
    """Whether a header is an encoder's: by its architecture, or as each token sees all others."""
    architecture = values.get("general.architecture")
    return architecture in ENCODERS or values.get(f"{architecture}.attention.causal") is False
