"""Logprobs, echo and several choices, as the unmodified `openai` client asks for them."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from modelyard.serving.engines.llama_cpp.sampling.scoring import score
from tests.serving.engines.llama_cpp.serial_oracle import Serial
from tests.serving.engines.processes import StartedEngine, engine_process

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
PROMPT = "def function(self, value): return the value of it — naïvely"


@pytest.fixture(scope="module")
def engine(endless: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(endless), context_length=1024, batch=64) as running:
        yield running


def test_chat_logprobs_name_every_token_and_its_rivals(engine: StartedEngine) -> None:
    """As many entries as tokens, their bytes spell the text, greedy takes the likeliest."""
    answer = engine.client().chat.completions.create(
        **ASK, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    entries = choice.logprobs.content or []
    assert answer.usage is not None
    assert len(entries) == answer.usage.completion_tokens == 12
    spelled = bytes(b for e in entries for b in e.bytes or [])
    assert spelled.decode("utf-8", "replace") == choice.message.content
    for entry in entries:
        assert len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].logprob == entry.logprob <= 0
        ranked = [t.logprob for t in entry.top_logprobs]
        assert ranked == sorted(ranked, reverse=True)


def test_a_stream_carries_the_same_logprobs(engine: StartedEngine) -> None:
    """Piece by piece as at once, none lost with text that was held back for a stop string."""
    asked: dict[str, Any] = {"temperature": 0, "max_tokens": 24, "logprobs": True, "stop": "zzz"}
    client = engine.client()
    whole = client.chat.completions.create(**ASK, **asked).choices[0]
    chunks = list(client.chat.completions.create(**ASK, **asked, stream=True))
    found = [c.choices[0].logprobs for c in chunks if c.choices[0].logprobs]
    assert whole.logprobs is not None
    streamed = [e.token for logprobs in found for e in logprobs.content or []]
    assert streamed == [e.token for e in whole.logprobs.content or []]


def test_without_the_wish_there_are_none(engine: StartedEngine) -> None:
    """The field is null, as with OpenAI."""
    answer = engine.client().chat.completions.create(**ASK, temperature=0, max_tokens=2)
    assert answer.choices[0].logprobs is None


def _judged(model: Path, tokens: list[int]) -> Any:
    """Every token's log-probabilities by llama_cpp's own serial evaluation."""
    judge = Serial(model).open(logits_all=True)
    judge.eval(tokens)
    scores = np.array(judge.scores[: len(tokens)], np.float64)
    judge.close()
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("max_tokens", [0, 1])
def test_a_prompt_is_scored_as_lm_eval_reads_it(
    engine: StartedEngine, endless: Path, max_tokens: int
) -> None:
    """`echo` with `logprobs` gives every prompt token's logprob, equal to serial evaluation.

    The prompt is longer than what a step may score, and asked twice: memory must not shorten it.
    """
    tokens = [t % 1000 for t in range(7, 7 + 13 * 150, 13)]
    expected = _judged(endless, tokens)
    for _ in range(2):
        answer = engine.client().completions.create(
            model="m", prompt=tokens, max_tokens=max_tokens, logprobs=1, echo=True, temperature=0
        )
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        own = logprobs.token_logprobs or []
        top = logprobs.top_logprobs or []
        assert len(own) == len(top) == len(tokens) + max_tokens
        assert own[0] is None
        assert top[0] is None
        right = [expected[i - 1, tokens[i]] for i in range(1, len(tokens))]
        assert own[1 : len(tokens)] == pytest.approx(right, abs=0.05)
        greedy = [own[i] == max(top[i].values()) for i in range(1, len(tokens))]
        assert greedy == [expected[i - 1].argmax() == tokens[i] for i in range(1, len(tokens))]


def test_scoring_beside_writing_changes_neither(engine: StartedEngine, endless: Path) -> None:
    """A prompt being scored shares steps with an answer being written."""
    client = engine.client()
    writing = client.completions.create(
        model="m", prompt="def run", temperature=0, max_tokens=64, stream=True
    )
    text = next(iter(writing)).choices[0].text
    scored = client.completions.create(
        model="m", prompt=list(range(300)), max_tokens=0, logprobs=0, echo=True
    )
    text += "".join(c.choices[0].text for c in writing)
    serial = Serial(endless)
    assert text == serial.text("def run", 64)
    serial.close()
    assert scored.choices[0].logprobs is not None
    assert len(scored.choices[0].logprobs.token_logprobs or []) == 300
    assert set(map(str, scored.choices[0].logprobs.top_logprobs or [])) == {"None", "{}"}


@pytest.mark.parametrize("stream", [True, False])
def test_an_echo_puts_the_prompt_before_the_text(engine: StartedEngine, *, stream: bool) -> None:
    """With and without logprobs; offsets point at each token's place in that text."""
    client = engine.client()
    asked: dict[str, Any] = {"model": "m", "prompt": PROMPT, "temperature": 0, "max_tokens": 8}
    plain = client.completions.create(**asked).choices[0].text
    if stream:
        chunks = list(client.completions.create(**asked, echo=True, stream=True))
        assert "".join(c.choices[0].text for c in chunks) == PROMPT + plain
        return
    choice = client.completions.create(**asked, echo=True, logprobs=0).choices[0]
    assert choice.text == PROMPT + plain
    assert choice.logprobs is not None
    offsets = choice.logprobs.text_offset or []
    tokens = choice.logprobs.tokens or []
    assert tokens[0] == "<|begin|>"  # the model's own: scored, but no part of the text
    whole = [(o, t) for o, t in zip(offsets, tokens, strict=True) if not t.startswith("bytes:")]
    assert [t for o, t in whole[1:] if not choice.text.startswith(t, o)] == []
    asked["max_tokens"] = 0
    assert client.completions.create(**asked, echo=True).choices[0].text == PROMPT


def test_several_choices_share_the_prompt(engine: StartedEngine) -> None:
    """`n` answers with seeds of their own; the prompt counts once, and repeats with its seed."""
    prompt = "class Worker(object): def work(self, hours):" * 4
    asked: dict[str, Any] = {"model": "m", "prompt": prompt, "max_tokens": 12, "seed": 5, "n": 4}
    before = engine.state()
    answer = engine.client().completions.create(**asked)
    after = engine.state()
    texts = [c.text for c in answer.choices]
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]
    assert len(set(texts)) == 4
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 48
    read = after["prompt_tokens"] - before["prompt_tokens"]
    assert read < answer.usage.prompt_tokens + 4 * 8
    again = engine.client().completions.create(**asked, stream=True)
    pieces = [""] * 4
    for chunk in again:
        pieces[chunk.choices[0].index] += chunk.choices[0].text
    assert pieces == texts


def test_several_chat_choices_stream(engine: StartedEngine) -> None:
    """Each choice opens with a role, ends with a reason and carries its index."""
    chunks = list(engine.client().chat.completions.create(**ASK, max_tokens=5, n=3, stream=True))
    opened = [c.choices[0].index for c in chunks if c.choices[0].delta.role]
    ended = [c.choices[0].index for c in chunks if c.choices[0].finish_reason]
    assert opened == [0, 1, 2]
    assert sorted(ended) == [0, 1, 2]


def test_a_bias_reaches_the_answer(engine: StartedEngine) -> None:
    """`logit_bias` by token id, as strings in JSON."""
    answer = engine.client().completions.create(
        model="m", prompt="hi", max_tokens=3, temperature=0, logit_bias={"42": 100}, logprobs=0
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert len(set(logprobs.tokens or [])) == 1
    assert max(logprobs.token_logprobs or []) < 0


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 9}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"echo": 1}, "echo"),
    ],
)
def test_what_is_too_much_is_refused_by_name(
    engine: StartedEngine, extra: dict[str, Any], param: str
) -> None:
    """A 400 whose `param` is the field."""
    with pytest.raises(openai.BadRequestError) as caught:
        engine.client().completions.create(model="m", prompt="hi", extra_body=extra)
    assert caught.value.param == param
    assert f"'{param}'" in caught.value.message


def test_an_end_token_is_scored_but_not_shown(tiny_f32: Path) -> None:
    """lm-eval drops the last entry as the one written token: it must be there."""
    with engine_process(format="gguf", path=str(tiny_f32)) as running, running.http() as http:
        body = {"model": "m", "prompt": [5, 6, 7], "echo": True, "logprobs": 1, "max_tokens": 1}
        ends = {"logit_bias": {"1023": 100}, "temperature": 0}
        choice = http.post("/v1/completions", json=body | ends).json()["choices"][0]
    assert len(choice["logprobs"]["tokens"]) == 4
    assert choice["logprobs"]["tokens"][-1] == "<|im_end|>"
    assert choice["finish_reason"] == "stop"
    assert "<|im_end|>" not in choice["text"]


@pytest.mark.parametrize("words", [3, 1281, 16_384])
@pytest.mark.parametrize("top", [0, 1, 20])
def test_logprobs_are_those_of_the_whole_vocabulary(words: int, top: int) -> None:
    """The rivals are the likeliest of all, of equals the first; also beside ruled-out tokens."""
    row = np.random.default_rng(words).standard_normal(words).astype(np.float32).round(1) * 5
    row[::3] = -np.inf
    exact = row.astype(np.float64) - np.log(np.exp(row.astype(np.float64)).sum())
    found = score(row, 1, top)
    assert found.logprob == pytest.approx(exact[1], abs=1e-5)
    assert [token for token, _ in found.top] == np.argsort(-row, kind="stable")[:top].tolist()
    assert [logprob for _, logprob in found.top] == pytest.approx(
        [exact[token] for token, _ in found.top], abs=1e-5
    )
