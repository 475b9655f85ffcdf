"""Guessed tokens change how fast an answer comes, and nothing of what it says."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from modelyard.serving.engines.generation import Delta, Finish, GenerationRequest, Sampling, Scoring
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.speculation.candidates import DraftCandidate
from modelyard.serving.engines.llama_cpp.speculation.drafting import MOST, PromptLookup
from modelyard.serving.engines.llama_cpp.speculation.step_times import (
    NOTHING,
    Extra,
    StepTimes,
    extra_passes,
)
from modelyard.serving.errors import ModelUnloadable
from modelyard.serving.wire.openai.chat.response_format import JsonForm
from tests.models.tiny import Tiny
from tests.serving.engines.llama_cpp.serial_oracle import (
    GREEDY,
    FreeSteps,
    Oracle,
    PlayedRequest,
    Serial,
    engine_on,
    play,
)

LOOP = 40
NUMBERS = {"type": "array", "items": {"enum": [1, 22]}}
SHARP = Sampling(temperature=1.0, seed=5)


@pytest.fixture(scope="session", params=["f32", "f16"])
def copyist(request: pytest.FixtureRequest, models: Path) -> Path:
    """A model that goes round in the first 40 tokens."""
    model = Tiny(endless=True, loop=LOOP, half=request.param == "f16")
    return model.write(models / f"copyist-{request.param}.gguf")


def _guess_all(engine: LlamaEngine) -> LlamaEngine:
    """Guess whatever may be right: these models are too fast for anything to pay."""
    engine.scheduler.speculation.times = FreeSteps()
    return engine


def test_a_copied_text_is_guessed_and_equals_the_serial_one(copyist: Path) -> None:
    """Five askers over three slots; most of what they get was guessed."""
    parts = [PlayedRequest(tuple(range(LOOP)) + tuple(range(5 + i)), limit=150) for i in range(5)]
    with engine_on(copyist, parallel=3) as engine:
        answers = play(_guess_all(engine), parts)
        seen = engine.snapshot()
    assert answers[0] == [(5 + i) % LOOP for i in range(150)]
    assert seen.accepted > 300
    assert seen.generated_tokens == 5 * 150
    Serial(copyist).check(parts, answers)


def test_wrong_guesses_leave_no_trace(endless: Path) -> None:
    """Two of three guesses are right, the rest is taken out of memory: the answers are serial."""
    parts = [PlayedRequest(_prompt(40 + 3 * i, i), limit=100) for i in range(6)]
    serial = Serial(endless)
    oracle = Oracle([(p.prompt, serial.answer(p.prompt, p.limit)) for p in parts], wrong=0.3)
    with engine_on(endless, parallel=3) as engine:
        for guess in _guess_all(engine).scheduler.speculation.guesses:
            guess.drafter = oracle
        answers = play(engine, parts)
        seen = engine.snapshot()
        again = [
            PlayedRequest((*p.prompt, *a), limit=20) for p, a in zip(parts, answers, strict=True)
        ]
        more = play(engine, again)
    assert 0 < seen.accepted < seen.drafted
    serial.check(parts + again, answers + more)


@pytest.mark.parametrize(
    "given",
    [
        {"sampling": SHARP},
        {"sampling": Sampling(temperature=0, repetition_penalty=1.3, presence_penalty=0.5)},
        {"sampling": Sampling(temperature=0.7, seed=3, frequency_penalty=0.2, top_p=0.9)},
        {"sampling": GREEDY, "scoring": Scoring(3)},
        {"sampling": SHARP, "scoring": Scoring(2, prompt=True), "echo": True},
        {"sampling": GREEDY, "form": JsonForm(NUMBERS, "response_format")},
    ],
    ids=["seed", "penalties", "all of them", "logprobs", "prompt's logprobs", "grammar"],
)
def test_whatever_is_asked_the_answer_is_the_same(tiny_f32: Path, given: dict[str, Any]) -> None:
    """With an oracle that is often wrong, and with none: text, scores and ends are equal."""
    ask = GenerationRequest("one two three one two three", 80, **given)
    with engine_on(tiny_f32, speculate=False) as engine:
        plain, tokens = _answer(engine, ask)
    with engine_on(tiny_f32) as engine:
        oracle = Oracle([tokens], wrong=0.2)
        for guess in _guess_all(engine).scheduler.speculation.guesses:
            guess.drafter = oracle
        guessed, _ = _answer(engine, ask)
        assert engine.snapshot().accepted > 0
    assert _text(guessed) == _text(plain)
    assert guessed[-1].finish is plain[-1].finish
    for ours, theirs in zip(_scores(guessed), _scores(plain), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)


def test_a_stop_string_ends_a_guessed_answer_where_it_stands(copyist: Path) -> None:
    """Tokens after it were written in the same step, and are not shown."""
    prompt = (*range(LOOP), 0, 1, 2)
    with engine_on(copyist) as engine:
        whole, _ = _answer(_guess_all(engine), GenerationRequest(prompt, 80, (), GREEDY))
        text = _text(whole)
        stop = text[30:33]
        cut, _ = _answer(engine, GenerationRequest(prompt, 80, (stop,), GREEDY))
        assert engine.snapshot().accepted > 0
    assert _text(cut) == text[: text.index(stop)]
    assert cut[-1].finish is Finish.STOP


def test_a_draft_model_guesses_and_changes_nothing(endless: Path, models: Path) -> None:
    """A model of other weights is seldom right, one of the same nearly always: both are exact."""
    other = Tiny(endless=True, seed=1).write(models / "other.gguf")
    parts = [PlayedRequest(_prompt(700 if i == 3 else 30 + i, i), limit=60) for i in range(5)]
    accepted = list[int]()
    for draft in (other, endless):
        with engine_on(endless, parallel=2, batch=256, draft_path=str(draft)) as engine:
            answers = play(_guess_all(engine), parts)
            accepted.append(engine.snapshot().accepted)
            assert engine.snapshot().drafted > 0
        Serial(endless).check(parts, answers)
    assert accepted[1] > 200 > accepted[0]


def test_a_draft_model_of_other_words_is_refused(tiny_f32: Path, models: Path) -> None:
    """Its tokens would mean something else."""
    other = Tiny(vocabulary=512).write(models / "few-words.gguf")
    with (
        pytest.raises(ModelUnloadable, match="another vocabulary"),
        engine_on(tiny_f32, draft_path=str(other)),
    ):
        pass


def test_guessing_ends_where_it_does_not_pay(tiny_f32: Path) -> None:
    """A drafter that is always wrong is asked once in a while, and ever more seldom."""
    part = PlayedRequest(_prompt(40, 1), limit=900)
    with engine_on(tiny_f32, parallel=1) as engine:
        speculation = engine.scheduler.speculation
        speculation.guesses[0].drafter = Oracle([(part.prompt, [])], wrong=1.0)
        written = len(play(engine, [part])[0])
    assert 0 < speculation.drafted < 40 + written // 20


def test_it_can_be_switched_off(copyist: Path) -> None:
    """Then nothing is ever guessed."""
    with engine_on(copyist, speculate=False) as engine:
        play(engine, [PlayedRequest(tuple(range(LOOP)) * 2, limit=40)])
        assert engine.snapshot().drafted == 0


def test_lookup_finds_what_followed_last_time() -> None:
    """The latest place counts; a text that ends in a loop goes round in it."""
    lookup = PromptLookup()
    tokens = [1, 2, 3, 4, 5, 1, 2, 3]
    assert lookup.propose(tokens, 3) == [4, 5, 1]
    tokens += [9, 1, 2, 3]
    assert lookup.propose(tokens, 2) == [9, 1]
    assert lookup.reach([1, 2, 3, 4]) == 0
    assert lookup.propose([7, 7, 7, 7], 5) == [7] * 5
    assert lookup.reach([7, 7, 7, 7]) == MOST


def test_the_cost_of_guesses_is_learned() -> None:
    """Tokens and passes are told apart; what was never tried is free."""
    times = StepTimes()
    draw = random.Random(0)
    times.saw(4, NOTHING, 1.0)
    assert times.of(4, Extra(8, 1)) == 1.0
    for _ in range(400):
        extra = Extra(draw.randint(1, 16), draw.randint(0, 2))
        times.saw(4, extra, 1.0 + 0.1 * extra.tokens + 0.5 * extra.passes)
    assert times.token == pytest.approx(0.1, rel=0.05)
    assert times.each_pass == pytest.approx(0.5, rel=0.05)


def test_passes_follow_llama_cpps_own_splitting() -> None:
    """Only neighbours with as many tokens go together over the weights."""
    assert extra_passes((0, 1, 2, 3), ()) == 0
    assert extra_passes((0, 1, 2, 3), (0, 1, 2, 3)) == 0
    assert extra_passes((0, 1, 2, 3), (1,)) == 1
    assert extra_passes((0, 1, 2, 3), (0, 2)) == 2
    assert extra_passes((0, 2), (0,)) == 0
    assert extra_passes((0, 1, 4, 5), (0, 1, 4)) == 1


def test_odds_follow_what_became_of_guesses() -> None:
    """Right ones raise them, a wrong one lowers them; expected tokens need each one before."""
    guess = DraftCandidate(PromptLookup())
    guess.learn(4, 4)
    high = guess.odds
    assert high > 0.7
    guess.learn(4, 0)
    assert guess.odds < high
    guess.odds = 0.5
    assert guess.expected(2) == pytest.approx(0.75)


def _prompt(length: int, seed: int) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1000) for _ in range(length))


def _answer(
    engine: LlamaEngine, ask: GenerationRequest
) -> tuple[list[Delta], tuple[tuple[int, ...], list[int]]]:
    """The deltas; and the prompt with the tokens that the scheduler wrote."""

    async def run() -> tuple[list[Delta], tuple[int, ...]]:
        generation = await engine.prepare(ask)
        return [d async for d in engine.generate(generation)], generation.prompt

    deltas, prompt = asyncio.run(run())
    known = max((s.tokens for s in engine.scheduler.cache.slots), key=len)
    return deltas, (prompt, known[len(prompt) :])


def _text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas)


def _scores(deltas: list[Delta]) -> list[float]:
    return [s.logprob for d in deltas for s in d.scores if s.logprob is not None]
