"""The bundled model is small, complete, and described by what its own file says."""

import json
from typing import Any

import gguf
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from modelyard.deployments.demo.hub import BUNDLED

MODEL = BUNDLED / "modelyard" / "tiny-shakespeare-GGUF"
WEIGHTS = MODEL / "shakespeare-f16.gguf"


@pytest.fixture(scope="module")
def header() -> dict[str, Any]:
    """The GGUF file's own fields by name."""
    fields = gguf.GGUFReader(WEIGHTS).fields
    return {name: field.contents() for name, field in fields.items()}


def test_the_weights_are_small_enough_to_be_bundled() -> None:
    """The repository carries at most 8 MB of weights."""
    assert sum(path.stat().st_size for path in MODEL.glob("*.gguf")) <= 8_000_000


def test_the_repository_is_complete() -> None:
    """A card with its license, the weights and their configuration are all there."""
    names = {"README.md", "LICENSE", "config.json", ".hub.json", WEIGHTS.name}
    assert {path.name for path in MODEL.iterdir()} == names
    assert (MODEL / "README.md").read_text().startswith("---\nlicense: apache-2.0\n")


def test_the_configuration_agrees_with_the_file(header: dict[str, Any]) -> None:
    """What config.json says is what the GGUF header says."""
    config = json.loads((MODEL / "config.json").read_text())
    assert config["hidden_size"] == header["llama.embedding_length"]
    assert config["num_hidden_layers"] == header["llama.block_count"]
    assert config["max_position_embeddings"] == header["llama.context_length"]
    assert config["vocab_size"] == len(header["tokenizer.ggml.tokens"])


def test_every_row_can_be_quantized() -> None:
    """Matrix rows are multiples of 256, the block of llama.cpp's K-quants."""
    matrices = [tensor for tensor in gguf.GGUFReader(WEIGHTS).tensors if len(tensor.shape) > 1]
    assert matrices
    assert all(tensor.shape[0] % 256 == 0 for tensor in matrices)


def test_the_chat_template_renders_a_scene(header: dict[str, Any]) -> None:
    """In the immutable sandbox messages become speeches, and the last line invites the reply."""
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = sandbox.from_string(header["tokenizer.chat_template"])
    messages = [
        {"role": "system", "content": "Rome. A street."},
        {"role": "user", "content": "  What news?\n"},
        {"role": "assistant", "content": "None."},
        {"role": "user", "content": "None at all?"},
    ]
    rendered = template.render(messages=messages, bos_token="<s>", add_generation_prompt=True)
    assert rendered == (
        "<s>Chorus:\nRome. A street.<|eot|>\n\nFirst Citizen:\nWhat news?<|eot|>\n\n"
        "MENENIUS:\nNone.<|eot|>\n\nFirst Citizen:\nNone at all?<|eot|>\n\nMENENIUS:\n"
    )


def test_the_end_of_a_speech_ends_the_reply(header: dict[str, Any]) -> None:
    """The token that closes each speech is the one generation stops at."""
    tokens = header["tokenizer.ggml.tokens"]
    end = header["tokenizer.ggml.eos_token_id"]
    assert tokens[end] == "<|eot|>"
