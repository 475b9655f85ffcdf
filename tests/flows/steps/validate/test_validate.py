"""A model file is read by a limited child, and what is broken or hostile is refused quickly."""

import pickle
import struct
import time
from pathlib import Path

import pytest

from modelyard.flows.errors import InvalidModelFile, ModelRefused
from modelyard.flows.steps.validate.child import read_in_child
from modelyard.flows.steps.validate.validate import inspect, validate
from modelyard.registry.catalog.model import Format
from tests.flows.hostile import ARCHITECTURE, ARRAY, STRING, U8, U32, gguf, pair, tensor, text
from tests.models.tiny import Tiny
from tests.models.tiny_bert import TinyBert

ONE = [tensor("w", (8,))]
DEEP = struct.pack("<IQ", ARRAY, 1) * 5 + struct.pack("<IQ", U8, 0)

HOSTILE = {
    "bad magic": (gguf(magic=b"GGML"), "not with b'GGUF'"),
    "empty": (b"", "the file ends"),
    "absurd tensor count": (gguf(counts=(2**60, 0)), "tensors"),
    "absurd key count": (gguf(counts=(0, 2**40)), "keys"),
    "more keys than there are": (gguf([ARCHITECTURE], counts=(0, 9000)), "twice"),
    "array of 20 MB": (
        gguf([pair("a", ARRAY, struct.pack("<IQ", U8, 20_000_000) + bytes(20_000_000))]),
        "20,000,000 elements",
    ),
    "array of 20 MB of text": (
        gguf([pair("a", ARRAY, struct.pack("<IQ", STRING, 20) + text("x" * 1_000_000) * 20)]),
        "more than 16,777,216 bytes",
    ),
    "array that claims a terabyte": (
        gguf([pair("a", ARRAY, struct.pack("<IQ", STRING, 2**40))]),
        "elements",
    ),
    "huge string": (gguf([pair("a", STRING, struct.pack("<Q", 2**62))]), "a text of"),
    "huge key": (gguf([struct.pack("<Q", 2**31)]), "a text of"),
    "arrays in arrays": (gguf([pair("a", ARRAY, DEEP)]), "nested too deep"),
    "unknown value type": (gguf([pair("a", 99, b"")]), "unknown type 99"),
    "key twice": (gguf([ARCHITECTURE, ARCHITECTURE]), "twice"),
    "tensor twice": (gguf([ARCHITECTURE], ONE * 2, data=32), "same name"),
    "nine dimensions": (gguf([ARCHITECTURE], [tensor("w", (1,) * 9)]), "9 dimensions"),
    "side of zero": (gguf([ARCHITECTURE], [tensor("w", (0,))], data=32), "impossible form"),
    "side without end": (gguf([ARCHITECTURE], [tensor("w", (2**63,))]), "impossible form"),
    "offset outside": (gguf([ARCHITECTURE], [tensor("w", (8,), 0, 2**50)], data=32), "cut off"),
    "offset unaligned": (gguf([ARCHITECTURE], [tensor("w", (8,), 0, 7)], data=64), "not aligned"),
    "cut in the weights": (gguf([ARCHITECTURE], ONE, data=31), "1 bytes of its tensors"),
    "overlapping": (
        gguf([ARCHITECTURE], [tensor("a", (64,)), tensor("b", (64,), 0, 32)], data=512),
        "over another",
    ),
    "alignment of zero": (
        gguf([pair("general.alignment", U32, struct.pack("<I", 0))], ONE, data=32),
        "alignment",
    ),
    "no architecture": (gguf([], ONE, data=32), "architecture"),
    "no tensors": (gguf([ARCHITECTURE]), "no tensors"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_quickly_and_clearly(kind: str, tmp_path: Path) -> None:
    """Whatever a header claims, it is refused with what is wrong, and soon."""
    content, reason = HOSTILE[kind]
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(InvalidModelFile, match=r"bad\.gguf") as caught:
        validate(file, "bad.gguf")
    assert reason in caught.value.message
    assert caught.value.exit_code == 11
    assert time.monotonic() - begun < 60


def aligned(to: int) -> bytes:
    return gguf([ARCHITECTURE, pair("general.alignment", U32, struct.pack("<I", to))], ONE, data=32)


OTHER_FORMS = {
    "old version": (gguf(version=1), "version 1 is older"),
    "newer version": (gguf(version=4), "may be newer"),
    "big-endian": (gguf(version=3 << 24), "big-endian"),
    "before GGUF": (gguf(magic=b"tjgg"), "before GGUF"),
    "tensor type of a newer llama.cpp": (
        gguf([ARCHITECTURE], [tensor("w", (8,), 77)]),
        "type 77, which is not known here",
    ),
    "alignment of 96": (aligned(96), "aligned to 96 bytes"),
    "Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        "Git LFS pointer",
    ),
}


@pytest.mark.parametrize("kind", OTHER_FORMS)
def test_a_form_that_is_not_read_here_is_not_called_broken(kind: str, tmp_path: Path) -> None:
    """What is true is said, with what can be done; nobody is suspected of harm."""
    content, reason = OTHER_FORMS[kind]
    file = tmp_path / "m.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelRefused, match=r"m\.gguf") as caught:
        validate(file, "m.gguf")
    assert reason in caught.value.message
    assert caught.value.fix
    assert "harm" not in str(caught.value)


def without(path: Path, key: str) -> Path:
    """The same file under which a key of its header has another name."""
    content = path.read_bytes()
    assert content.count(key.encode()) == 1
    path.write_bytes(content.replace(key.encode(), key[:-1].encode() + b"X"))
    return path


def test_an_encoder_that_does_not_say_how_it_pools_is_refused(tmp_path: Path) -> None:
    """It is no chat model, and its vectors are not guessed."""
    path = without(TinyBert().write(tmp_path / "bert.gguf"), "bert.pooling_type")
    with pytest.raises(ModelRefused, match=r"bert\.pooling_type"):
        validate(path, "bert.gguf")
    unpooled = TinyBert(pooling=0).write(tmp_path / "none.gguf")
    with pytest.raises(ModelRefused, match="encoder"):
        validate(unpooled, "none.gguf")


def test_a_file_without_a_file_type_is_of_the_type_of_its_matrices(tmp_path: Path) -> None:
    """F16 with norms in F32 is F16; TinyBert says nothing and is all F32."""
    half = Tiny(vocabulary=512, half=True).write(tmp_path / "m.gguf")
    assert validate(without(half, "general.file_type"), "m.gguf").quantization == "F16"
    assert validate(TinyBert().write(tmp_path / "b.gguf"), "b.gguf").quantization == "F32"


@pytest.mark.parametrize("alignment", [8, 16])
def test_a_file_that_cannot_be_mapped_is_taken(tmp_path: Path, alignment: int) -> None:
    """llama.cpp honours general.alignment where it reads the file; mapped, it would abort."""
    model = Tiny(vocabulary=512, alignment=alignment).write(tmp_path / "m.gguf")
    assert validate(model, "m.gguf").quantization == "F32"


@pytest.mark.parametrize("cut", [3, 24, 100, 5_000, 100_000, -1])
def test_a_truncated_model_is_refused_wherever_it_ends(
    tiny: Path, tmp_path: Path, cut: int
) -> None:
    """In the magic, the header, the vocabulary or the weights."""
    file = tmp_path / "cut.gguf"
    file.write_bytes(tiny.read_bytes()[:cut])
    with pytest.raises(InvalidModelFile):
        validate(file, "cut.gguf")


def test_the_facts_of_a_sound_model_are_read(tiny: Path) -> None:
    """What later steps and people ask about is in the header."""
    facts = validate(tiny, "tiny-f16.gguf", licence="mit")
    assert (facts.format, facts.architecture) == (Format.GGUF, "llama")
    assert (facts.quantization, facts.context_length) == ("F16", 2048)
    assert facts.licence == "mit"
    assert facts.chat_template
    assert facts.parameters
    assert facts.details["layers"] == 1
    assert facts.details["vocabulary"] == 512
    assert (facts.details["heads"], facts.details["kv_heads"]) == (4, 2)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_whatever_it_is_called(protocol: int, tmp_path: Path) -> None:
    """The name says GGUF; the first bytes say pickle."""
    file = tmp_path / "model.gguf"
    file.write_bytes(pickle.dumps({"a": 1}, protocol=protocol))
    with pytest.raises(ModelRefused, match="pickle"):
        validate(file, "model.gguf")


def test_a_torch_archive_is_refused(tmp_path: Path) -> None:
    """torch.save writes a zip around a pickle."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(ModelRefused, match="pickle"):
        inspect(file, "model.safetensors")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """Only formats with a reader of ours are ever opened."""
    file = tmp_path / "model.h5"
    file.write_bytes(b"\x89HDF")
    with pytest.raises(ModelRefused, match="no format"):
        inspect(file, "model.h5")


def safetensors(header: bytes, data: int = 0) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(data)


def entry(name: str, start: int, end: int, shape: str = "[2]", dtype: str = "F32") -> str:
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}'


BROKEN = {
    "no header": (b"\x01", "a header of"),
    "absurd header": (struct.pack("<Q", 2**60), "a header of"),
    "no JSON": (safetensors(b"{nonsense"), "no JSON"),
    "a list": (safetensors(b"[]"), "no JSON object"),
    "a key twice": (safetensors(f"{{{entry('a', 0, 8)},{entry('a', 0, 8)}}}".encode(), 8), "twice"),
    "a gap": (safetensors(f"{{{entry('a', 4, 12)}}}".encode(), 12), "gap"),
    "beyond the end": (safetensors(f"{{{entry('a', 0, 8)}}}".encode(), 4), "do not fill"),
    "bytes left over": (safetensors(f"{{{entry('a', 0, 8)}}}".encode(), 9), "do not fill"),
    "wrong size": (safetensors(f"{{{entry('a', 0, 12)}}}".encode(), 12), "wrong size"),
    "unknown type": (safetensors(f"{{{entry('a', 0, 8, dtype='X')}}}".encode(), 8), "known type"),
    "negative side": (safetensors(f"{{{entry('a', 0, 8, '[-2]')}}}".encode(), 8), "impossible"),
    "no offsets": (safetensors(b'{"a":{}}'), "where it lies"),
    "deep": (safetensors(b"[" * 100_000), "no JSON"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_safetensors_file_is_refused(kind: str, tmp_path: Path) -> None:
    """Header size, duplicate keys, gaps, overlaps and sizes are all looked at."""
    content, reason = BROKEN[kind]
    file = tmp_path / "bad.safetensors"
    file.write_bytes(content)
    with pytest.raises(InvalidModelFile) as caught:
        inspect(file, "bad.safetensors")
    assert reason in caught.value.message


def test_a_sound_safetensors_file_is_accepted(tmp_path: Path) -> None:
    """Two tensors, back to back, with metadata."""
    both = f'{{"__metadata__":{{"format":"pt"}},{entry("b", 8, 16)},{entry("a", 0, 8)}}}'
    file = tmp_path / "good.safetensors"
    file.write_bytes(safetensors(both.encode(), 16))
    assert inspect(file, "good.safetensors") == {"tensors": 2}


def test_the_child_sees_none_of_our_secrets(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reader's environment is empty, and it works so."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert validate(tiny, "tiny.gguf").architecture == "llama"


def test_a_reader_that_dies_says_by_what(tmp_path: Path) -> None:
    """The limit that it met has a name; for a reader stands what runs the file as a program."""
    file = tmp_path / "model.gguf"
    file.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)\n")
    with pytest.raises(InvalidModelFile, match=r"ended by SIGXCPU .*processor time"):
        read_in_child("cProfile", file, "model.gguf")
