"""Measures a model on a text, alone or against a reference, by chunks in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

from modelyard.serving.engines.llama_cpp.evaluation.divergence import (
    Divergence,
    NegativeLogLikelihood,
    log_softmax,
)
from modelyard.serving.engines.llama_cpp.evaluation.findings import (
    Comparison,
    TextMeasurement,
    Told,
    untold,
)
from modelyard.serving.engines.llama_cpp.evaluation.text_model import TextModel
from modelyard.serving.errors import InvalidRequest


def measure(
    path: Path, text: str, *, n_ctx: int, threads: int, told: Told = untold
) -> TextMeasurement:
    """Perplexity over the second half of each chunk of `n_ctx` tokens, as llama.cpp computes it."""
    model = TextModel.open(path, length=n_ctx, threads=threads)
    negative_log_likelihood = NegativeLogLikelihood()
    for chunk in _followed(chunks(model, text, n_ctx), told):
        start = 0
        for logits in model.read(chunk):
            rows, targets = _scored(chunk, start, len(logits))
            if targets:
                negative_log_likelihood.add(
                    log_softmax(logits[rows : rows + len(targets)]), targets
                )
            start += len(logits)
    found = TextMeasurement(
        perplexity=negative_log_likelihood.perplexity,
        tokens=negative_log_likelihood.count,
        tokens_per_s=model.tokens / model.seconds,
        memory_bytes=model.memory_bytes,
        load_s=model.load_s,
    )
    model.close()
    return found


def compare(  # noqa: PLR0913 - two models, and how to read
    reference: Path, candidate: Path, text: str, *, n_ctx: int, threads: int, told: Told = untold
) -> Comparison:
    """Both models read the same tokens side by side; logits are kept for one block only."""
    first = TextModel.open(reference, length=n_ctx, threads=threads)
    second = TextModel.open(candidate, length=n_ctx, threads=threads)
    if first.vocabulary.size != second.vocabulary.size:
        raise InvalidRequest(f"{reference} and {candidate} have different vocabularies.")
    surprises = (NegativeLogLikelihood(), NegativeLogLikelihood())
    divergence = Divergence()
    for chunk in _followed(chunks(first, text, n_ctx), told):
        start = 0
        for mine, theirs in zip(first.read(chunk), second.read(chunk), strict=True):
            rows, targets = _scored(chunk, start, len(mine))
            start += len(mine)
            if targets:
                pair = [log_softmax(x[rows : rows + len(targets)]) for x in (mine, theirs)]
                for negative_log_likelihood, log_probabilities in zip(surprises, pair, strict=True):
                    negative_log_likelihood.add(log_probabilities, targets)
                divergence.add(*pair)
    found = _comparison(first, second, surprises, divergence)
    first.close()
    second.close()
    return found


def chunks(model: TextModel, text: str, n_ctx: int) -> Iterator[list[int]]:
    """The text's tokens in chunks of `n_ctx`, each with the begin tokens; drops the rest."""
    vocabulary = model.vocabulary
    head = vocabulary.tokens("", begin=True)
    body = vocabulary.tokens(text, begin=False, special=False)
    size = n_ctx - len(head)
    if len(body) < size:
        raise InvalidRequest(
            f"The text has {len(body)} tokens; at least {size} are needed.",
            fix="Give a longer text or a smaller n_ctx.",
        )
    for start in range(0, len(body) - size + 1, size):
        yield head + body[start : start + size]


def _followed(pieces: Iterator[list[int]], told: Told) -> Iterator[list[int]]:
    """Yield the pieces and report progress after each."""
    known = list(pieces)
    done = 0
    total = sum(map(len, known))
    for piece in known:
        yield piece
        told(done := done + len(piece), total)


def _scored(chunk: list[int], start: int, count: int) -> tuple[int, list[int]]:
    """The index of a block's first scored row, and the target tokens of its scored rows."""
    first = max(start, len(chunk) // 2)
    last = min(start + count, len(chunk) - 1)
    return first - start, chunk[first + 1 : last + 1] if first < last else []


def _comparison(
    first: TextModel,
    second: TextModel,
    surprises: tuple[NegativeLogLikelihood, NegativeLogLikelihood],
    divergence: Divergence,
) -> Comparison:
    return Comparison(
        perplexity_reference=surprises[0].perplexity,
        perplexity_candidate=surprises[1].perplexity,
        kl_mean=divergence.mean,
        kl_p99=divergence.p99,
        top1_agreement=divergence.agreement,
        tokens=surprises[1].count,
        tokens_per_s_reference=first.tokens / first.seconds,
        tokens_per_s_candidate=second.tokens / second.seconds,
        load_s=second.load_s,
        memory_bytes=second.memory_bytes,
    )
