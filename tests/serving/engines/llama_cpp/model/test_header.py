"""A GGUF header is read with caps: absurd files are an error with a reason, never a crash."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.gguf.cursor import ArrayFacts
from modelyard.serving.engines.llama_cpp.load import load
from modelyard.serving.engines.llama_cpp.model.header import read_header
from modelyard.serving.errors import ModelUnloadable
from tests.models.tiny_bert import TinyBert
from tests.serving.engines.processes import config


def test_it_reads_what_the_file_says(tiny_f32: Path) -> None:
    """Architecture, numbers below it, and the size of the vocabulary."""
    header = read_header(tiny_f32)
    assert header.architecture == "llama"
    assert header.number("block_count") == 2
    assert header.number("context_length") == 2048
    tokens = header.values["tokenizer.ggml.tokens"]
    assert isinstance(tokens, ArrayFacts)
    assert tokens.length == 1024


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file ends"),
        (b"GGML" + bytes(100), "begins with"),
        (b"GGUF" + struct.pack("<I", 99), "version 99 is not one that is read here"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**60), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), "a text of"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 5) + b"ab", "the file ends"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 2**50), "an array of"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77), "unknown type"),
    ],
)
def test_a_hostile_header_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    """Counts are bounded before they are believed."""
    file = tmp_path / "bad.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelUnloadable, match=reason):
        read_header(file)


def test_a_missing_file_is_named() -> None:
    """No traceback for a path that is not there."""
    with pytest.raises(ModelUnloadable, match="nowhere"):
        read_header(Path("/nowhere.gguf"))


@settings(max_examples=60)
@given(at=st.integers(0, 30_000), value=st.binary(min_size=1, max_size=8))
def test_any_flipped_bytes_are_read_or_refused(
    tiny_f32: Path, tmp_path: Path, *, at: int, value: bytes
) -> None:
    """Damage anywhere in the header ends in facts or in ModelUnloadable."""
    data = bytearray(tiny_f32.read_bytes())
    data[at : at + len(value)] = value
    file = tmp_path / "damaged.gguf"
    file.write_bytes(data)
    try:
        read_header(file)
    except ModelUnloadable:
        return


def test_an_encoder_that_does_not_say_how_it_pools_is_not_loaded(tmp_path: Path) -> None:
    """Versions of before are no chat models either, whatever they were registered as."""
    path = TinyBert(pooling=0).write(tmp_path / "bert.gguf")
    given = EngineConfig(**config(format="gguf", path=str(path)))
    with pytest.raises(ModelUnloadable, match="does not say how its vectors are pooled"):
        load(given)
