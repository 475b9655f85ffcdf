"""A model is measured in a child process: numbers that can be checked, failures with a reason."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from modelyard.serving.engines.llama_cpp.evaluation import measure
from modelyard.serving.engines.llama_cpp.evaluation.divergence import (
    Divergence,
    NegativeLogLikelihood,
    log_softmax,
)
from tests.models.broken_llama import EVERY_PRODUCT, broken_llama

TEXT = Path(str(json.__file__)).read_text()


def test_perplexity_is_that_of_the_serial_llama(tiny_f32: Path) -> None:
    """Counted from llama_cpp's own logits over the same chunk, it is the same number."""
    import llama_cpp

    found = measure.perplexity(tiny_f32, TEXT[:1500], n_ctx=128)
    judge = llama_cpp.Llama(str(tiny_f32), n_ctx=128, verbose=False, logits_all=True, n_threads=1)
    body = judge.tokenize(TEXT[:1500].encode(), add_bos=False, special=False)
    begin = judge.token_bos()
    negative_log_likelihood = NegativeLogLikelihood()
    for start in range(0, len(body) - 126, 127):
        chunk = [begin, *body[start : start + 127]]
        judge.reset()
        judge.eval(chunk)
        scores = np.asarray(judge.scores[64:127], dtype=np.float32)
        negative_log_likelihood.add(log_softmax(scores), chunk[65:128])
    judge.close()
    assert found.tokens == negative_log_likelihood.count
    assert found.perplexity == pytest.approx(negative_log_likelihood.perplexity, rel=1e-3)
    assert found.tokens_per_s > 0


def test_a_model_compared_with_itself_does_not_diverge(tiny_f32: Path) -> None:
    """The same file twice: no divergence, full agreement, equal perplexity."""
    found = measure.compare(tiny_f32, tiny_f32, TEXT, n_ctx=128)
    assert found.kl_mean == found.kl_p99 == 0
    assert found.top1_agreement == 1
    assert found.perplexity_reference == found.perplexity_candidate


def test_half_precision_diverges_a_little(tiny_f32: Path, tiny_f16: Path) -> None:
    """Rounded weights show as a small divergence, not as none."""
    found = measure.compare(tiny_f32, tiny_f16, TEXT, n_ctx=128)
    assert 0 < found.kl_mean < 1e-3
    assert found.kl_mean <= found.kl_p99
    assert 0.98 < found.top1_agreement <= 1


def test_divergence_is_kullback_and_leiblers() -> None:
    """Two known distributions give the known value."""
    one = np.log([[0.5, 0.5]])
    other = np.log([[0.9, 0.1]])
    divergence = Divergence()
    divergence.add(one.astype(np.float32), other.astype(np.float32))
    known = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert divergence.mean == pytest.approx(known, rel=1e-5)


def test_a_short_generation_is_text(tiny_f32: Path) -> None:
    """The smoke inference writes something, the same every time."""
    written = measure.smoke(tiny_f32)
    assert written == measure.smoke(tiny_f32)
    assert (written.tokens, written.ended) == (16, False)
    assert written.text


def test_a_model_whose_first_word_is_its_end_can_go_on(tiny_f32: Path, tmp_path: Path) -> None:
    """To end at once is a legal answer; where it may not, it writes."""
    import gguf
    import llama_cpp

    prompt = "Once upon a time"
    path = tmp_path / "ends.gguf"
    shutil.copy(tiny_f32, path)
    judge = llama_cpp.Llama(str(path), n_ctx=128, verbose=False, logits_all=True, n_threads=1)
    judge.eval(judge.tokenize(prompt.encode()))
    likeliest = int(np.asarray(judge.scores[judge.n_tokens - 1]).argmax())
    judge.close()
    reader = gguf.GGUFReader(path, "r+")
    end = reader.get_field("tokenizer.ggml.eos_token_id")
    assert end is not None
    end.parts[end.data[0]][0] = likeliest
    reader.data.flush()
    written = measure.smoke(path, prompt)
    assert (written.tokens, written.ended) == (16, True)


def test_progress_is_told_in_tokens(tiny_f32: Path) -> None:
    """Chunk by chunk, up to all of them."""
    heard: list[tuple[int, int]] = []
    measure.perplexity(
        tiny_f32, TEXT[:3000], n_ctx=128, told=lambda done, total: heard.append((done, total))
    )
    assert len(heard) > 3
    assert heard == [(128 * n, 128 * len(heard)) for n in range(1, len(heard) + 1)]


def test_what_cannot_be_measured_says_why(tmp_path: Path, tiny_f32: Path) -> None:
    """A broken file and a text too short are errors with a reason, and the caller lives on."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(measure.MeasureFailed, match="version"):
        measure.smoke(broken)
    with pytest.raises(measure.MeasureFailed, match="longer text"):
        measure.perplexity(tiny_f32, "short", n_ctx=128)


def test_a_crash_is_told_with_its_signal_and_what_to_do(
    tiny_f32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A llama.cpp that runs an illegal instruction: not one word of a time limit."""
    broken = broken_llama(tmp_path / "lib", EVERY_PRODUCT)
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken))
    with pytest.raises(measure.MeasureCrashed, match="was ended by SIGILL") as crashed:
        measure.smoke(tiny_f32)
    assert "longer than" not in crashed.value.message
    assert "make setup" in crashed.value.fix


def test_a_measure_that_takes_too_long_is_told_as_that(tiny_f32: Path) -> None:
    """Ended by us: not one word of a crash or a signal."""
    with pytest.raises(measure.MeasureTooSlow, match="took longer than 0 s") as ended:
        measure.smoke(tiny_f32, timeout_s=0.01)
    assert "SIG" not in str(ended.value)
    assert ended.value.fix
