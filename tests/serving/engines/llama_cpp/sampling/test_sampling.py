"""Sampling parameters do what they say, and a seed makes an answer repeatable."""

from pathlib import Path

from modelyard.serving.engines.generation import Sampling
from tests.serving.engines.llama_cpp.serial_oracle import GREEDY, PlayedRequest, engine_on, play

PART = PlayedRequest((5, 6, 7), limit=40)


def test_a_seed_repeats_an_answer_and_another_changes_it(endless: Path) -> None:
    """The same seed gives the same tokens whatever else runs; no seed is a new draw each time."""
    with engine_on(endless) as engine:
        alone = play(engine, [PART], Sampling(seed=7))
        beside = play(engine, [PART] * 4, Sampling(seed=7))
        other = play(engine, [PART], Sampling(seed=8))
        unseeded = play(engine, [PART] * 2, Sampling())
    assert beside == alone * 4
    assert other != alone
    assert unseeded[0] != unseeded[1]


def test_top_k_of_one_is_greedy(endless: Path) -> None:
    """Only the likeliest token is left to draw from."""
    with engine_on(endless) as engine:
        assert play(engine, [PART], Sampling(top_k=1)) == play(engine, [PART])
        assert play(engine, [PART], Sampling(top_p=1e-6)) == play(engine, [PART])
        assert play(engine, [PART], Sampling(min_p=1.0)) == play(engine, [PART])


def test_a_bias_forces_and_forbids(endless: Path) -> None:
    """+100 makes a token certain, -100 makes it never come, also at temperature 0."""
    with engine_on(endless) as engine:
        greedy = play(engine, [PART])[0]
        forced = play(engine, [PART], Sampling(temperature=0, logit_bias=((42, 100.0),)))[0]
        banned = Sampling(temperature=0, logit_bias=tuple((t, -100.0) for t in set(greedy)))
        other = play(engine, [PART], banned)[0]
    assert set(forced) == {42}
    assert not set(other) & set(greedy)


def test_penalties_reach_what_they_should(endless: Path) -> None:
    """Presence keeps written tokens from coming back; repetition knows the prompt's too."""
    bias = ((5, 30.0), (6, 29.0), (50, 28.5))
    with engine_on(endless) as engine:
        free = play(engine, [PART], Sampling(temperature=0, logit_bias=bias))[0]
        rare = Sampling(temperature=0, logit_bias=bias, repetition_penalty=2.0)
        kept = play(engine, [PART], rare)[0]
    assert free[0] in (5, 6)
    assert kept[0] == 50


def test_mixed_requests_do_not_disturb_each_other(endless: Path) -> None:
    """Greedy answers stay exact beside sampled ones."""
    with engine_on(endless) as engine:
        expected = play(engine, [PART], GREEDY)
        assert play(engine, [PART, PART], GREEDY) == expected * 2
