"""Tensors lie in a file as its maker wanted; each alignment that llama.cpp reads is served."""

from pathlib import Path

import numpy as np
import pytest

from modelyard.serving.engines.gguf import header
from modelyard.serving.engines.llama_cpp.evaluation.text_model import TextModel
from modelyard.serving.engines.llama_cpp.quantizer import quantize
from tests.models.tiny import Tiny

USUAL = 32
TEXT = [1, 7, 20, 300, 4]


def test_every_alignment_gives_the_same_answer(tmp_path: Path) -> None:
    """Below the usual one a file is read, since llama.cpp ends the process that maps it."""
    logits = {alignment: _read(_written(tmp_path, alignment)) for alignment in (USUAL, 8, 16, 64)}
    for alignment, found in logits.items():
        assert np.array_equal(found, logits[USUAL]), alignment


@pytest.mark.parametrize("to", ["Q8_0", None])
@pytest.mark.parametrize("alignment", [8, 64])
def test_what_is_made_of_it_is_a_usual_file(tmp_path: Path, alignment: int, to: str | None) -> None:
    """Quantized or copied: llama.cpp would say one alignment in the header and write another."""
    made = {}
    for each in (alignment, USUAL):
        made[each] = tmp_path / f"made-of-{each}.gguf"
        assert quantize(str(_written(tmp_path, each)), str(made[each]), to, 1)
    assert header.read(made[alignment]).alignment == USUAL
    assert np.array_equal(_read(made[alignment]), _read(made[USUAL]))


def _written(folder: Path, alignment: int) -> Path:
    path = folder / f"aligned-to-{alignment}.gguf"
    return Tiny(vocabulary=512, alignment=alignment).write(path)


def _read(path: Path) -> np.ndarray:
    model = TextModel.open(path, length=64, threads=1)
    logits = np.concatenate([np.array(block) for block in model.read(TEXT)])
    model.close()
    return logits
