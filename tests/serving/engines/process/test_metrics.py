"""What an engine measures: Prometheus reads it, and a request may ask for its own part."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.serving.engines.measures import Distribution, Measures, Times
from tests.serving.engines.processes import StartedEngine, engine_process

E = "modelyard_engine_"


@pytest.fixture(scope="module")
def engine(endless: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(endless), parallel=2, speculate=False) as running:
        yield running


def series(engine: StartedEngine) -> dict[str, float]:
    """Every sample by its name and labels."""
    with engine.http() as http:
        text = http.get("/metrics").raise_for_status().text
    return {
        sample.name + "".join(f"{{{v}}}" for v in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_measures_count_what_happened(engine: StartedEngine) -> None:
    """Tokens by kind, steps with their members, waits, cache hits, ends and errors."""
    before = series(engine)
    asked: dict[str, Any] = {"model": "m", "prompt": "def run(self): " * 6, "temperature": 0}
    usage = [engine.client().completions.create(**asked, max_tokens=9).usage for _ in range(2)]
    with pytest.raises(openai.BadRequestError):
        engine.client().completions.create(model="m", prompt="x" * 9000)
    after = series(engine)
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert usage[1] is not None
    assert usage[1].prompt_tokens_details is not None
    length = usage[1].prompt_tokens
    cached = usage[1].prompt_tokens_details.cached_tokens
    assert cached == length - 1
    assert grown[f"{E}tokens_total{{generated}}"] == 18
    assert grown[f"{E}tokens_total{{cached}}"] == cached
    assert grown[f"{E}tokens_total{{prompt}}"] == length + 1
    assert grown[f"{E}prefix_hits_total"] == 1
    assert grown[f"{E}answers_total{{length}}"] == 2
    assert grown[f"{E}errors_total{{context_length_exceeded}}"] == 1
    assert grown[f"{E}first_token_seconds_count"] == grown[f"{E}queue_seconds_count"] == 2
    assert grown[f"{E}inter_token_seconds_count"] == 16
    assert grown[f"{E}step_tokens_sum"] == length + 1 + 16
    assert grown[f"{E}step_sequences_count"] == grown[f"{E}step_seconds_count"] == 18
    assert 0 < grown[f"{E}first_token_seconds_sum"] < 120
    assert (after[f"{E}kv_cells"], after[f"{E}slots"], after[f"{E}queued"]) == (1024, 2, 0)
    assert after[f"{E}memory_bytes"] > 10_000_000
    assert after[f"{E}load_seconds"] > 0


def test_a_client_that_leaves_is_counted(engine: StartedEngine) -> None:
    """As cancelled, not as an error."""
    before = series(engine).get(f"{E}answers_total{{cancelled}}", 0)
    body = {"prompt": "hello", "max_tokens": 490, "stream": True}
    with engine.http() as http, http.stream("POST", "/v1/completions", json=body) as answer:
        next(answer.iter_lines())
    deadline = time.monotonic() + 60
    while series(engine).get(f"{E}answers_total{{cancelled}}", 0) != before + 1:
        assert time.monotonic() < deadline, "the cancellation was not counted"
        time.sleep(0.02)


def test_the_measures_need_the_token(engine: StartedEngine) -> None:
    """An engine talks to its worker only."""
    assert httpx2.get(f"{engine.url}/metrics", timeout=60).status_code == 401


def _timings(answer: Any) -> dict[str, float]:
    assert answer.model_extra
    return answer.model_extra["timings"]


def test_a_request_may_ask_what_it_took(engine: StartedEngine) -> None:
    """`timings: true`: the block stands in the whole answer, and on a stream's last chunk."""
    client = engine.client()
    extra = {"timings": True}
    asked: dict[str, Any] = {"model": "m", "prompt": "for i in range(9): " * 6, "temperature": 0}
    whole = client.completions.create(**asked, max_tokens=7, extra_body=extra)
    stream = list(client.completions.create(**asked, max_tokens=7, extra_body=extra, stream=True))
    assert whole.usage is not None
    first = _timings(whole)
    again = _timings(stream[-1])
    length = whole.usage.prompt_tokens
    assert first["prompt_n"] + first["cached_n"] == length
    assert first["cached_n"] <= 1  # the beginning that all prompts share
    assert (again["prompt_n"], again["cached_n"], again["predicted_n"]) == (1, length - 1, 7)
    assert first["queue_ms"] >= 0
    rate = 6 / first["predicted_ms"] * 1e3
    read = first["prompt_n"] / first["prompt_ms"] * 1e3
    assert first["predicted_per_second"] == pytest.approx(rate, rel=0.05)
    assert first["prompt_per_second"] == pytest.approx(read, rel=0.05)


def test_a_chat_s_timings_stand_beside_its_usage(engine: StartedEngine) -> None:
    """On the same last chunk; unasked there are none."""
    asked: dict[str, Any] = {
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "n": 2
    }  # fmt: skip
    chunks = list(
        engine.client().chat.completions.create(
            **asked,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"timings": True},
        )
    )
    assert chunks[-1].usage is not None
    assert _timings(chunks[-1])["predicted_n"] == chunks[-1].usage.completion_tokens == 6
    assert not engine.client().chat.completions.create(**asked).model_extra


def test_a_distribution_counts_up_to_each_bound() -> None:
    """As Prometheus reads it: cumulated, the bounds included."""
    found = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        found.add(value)
    assert list(found.cumulated()) == [("1.0", 2), ("2.0", 3), ("+Inf", 4)]
    assert found.total == 12.0


def test_what_was_never_seen_is_not_shown() -> None:
    """An embedding model shows no tokens written."""
    measures = Measures()
    measures.began(Times())
    assert [name for name, _ in measures.distributions()] == ["queue_seconds"]
