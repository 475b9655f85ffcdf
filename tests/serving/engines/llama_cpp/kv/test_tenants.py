"""What one tenant asked is never in another's memory, whatever runs beside and before."""

import asyncio
import random
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.engines.generation import Finish, Generation
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence
from modelyard.serving.errors import ModelUnloadable
from tests.serving.engines.llama_cpp.serial_oracle import GREEDY, FreeFiles, engine_on

LONG = tuple(random.Random(7).randrange(1000) for _ in range(200))
_numbers = count()
Ask = tuple[str, int, int, int]
"""Tenant, shared tokens, own tokens' seed, and tokens to write."""


def _prompt(ask: Ask) -> tuple[int, ...]:
    draw = random.Random(ask[2])
    return (*LONG[: ask[1]], *(draw.randrange(1000) for _ in range(5)))


async def _one(engine: LlamaEngine, ask: Ask, after_s: float = 0) -> tuple[int, list[int]]:
    """How many tokens came from memory, and the answer."""
    await asyncio.sleep(after_s)
    generation = Generation(_prompt(ask), ask[3], (), GREEDY, tenant=ask[0])
    sequence = Sequence(generation, next(_numbers), asyncio.get_running_loop())
    engine.scheduler.submit(sequence)
    while not isinstance(news := await sequence.mailbox.get(), Finish):
        assert isinstance(news, int), news
    return sequence.reused, sequence.tokens


async def _all(engine: LlamaEngine, asks: list[Ask], pace: float) -> list[tuple[int, list[int]]]:
    return await asyncio.gather(*(_one(engine, a, i * pace) for i, a in enumerate(asks)))


def _own(asks: list[Ask], answers: list[tuple[int, list[int]]], at: int) -> int:
    """The longest beginning that any other request of the same tenant has had."""
    mine = answers[at][1]
    others = [
        tokens for i, (_, tokens) in enumerate(answers) if i != at and asks[i][0] == asks[at][0]
    ]
    return max((_common(mine, other) for other in others), default=0)


def _common(a: list[int], b: list[int]) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


@settings(max_examples=40)
@given(
    asks=st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob", "eve", ""]),
            st.sampled_from([0, 30, 120, 200]),
            st.integers(0, 3),
            st.integers(1, 24),
        ),
        min_size=2,
        max_size=14,
    ),
    parallel=st.integers(1, 4),
    batch=st.sampled_from([16, 64, 512]),
    pace=st.sampled_from([0, 0.001, 0.01]),
    unified=st.booleans(),
)
def test_no_tenant_is_served_from_anothers_memory(
    tiny_f32: Path,
    *,
    asks: list[Ask],
    parallel: int,
    batch: int,
    pace: float,
    unified: bool,
) -> None:
    """Any schedule: nobody is lent more than their own tenant has had computed before."""
    shape = {"parallel": parallel, "batch": batch, "kv_unified": unified}
    with engine_on(tiny_f32, spill_bytes=2**20, **shape) as engine:
        engine.scheduler.cache.spill.costs = FreeFiles()
        answers = asyncio.run(_all(engine, asks, pace))
    for at, (reused, _) in enumerate(answers):
        assert reused <= _own(asks, answers, at)


def test_a_tenant_has_its_own_prompts_cached(tiny_f32: Path) -> None:
    """The same prompt again: cached for whoever asked before, new to all others."""
    asks: list[Ask] = [("ada", 200, 1, 3), ("ada", 200, 2, 3), ("bob", 200, 3, 3)]
    with engine_on(tiny_f32) as engine:
        reused = [asyncio.run(_one(engine, ask))[0] for ask in asks]
    assert reused == [0, 200, 0]


def test_the_operator_may_let_all_share(tiny_f32: Path) -> None:
    """With share_prefixes one tenant's prompt serves the next."""
    asks: list[Ask] = [("ada", 200, 1, 3), ("bob", 200, 2, 3)]
    with engine_on(tiny_f32, options={"share_prefixes": True}) as engine:
        reused = [asyncio.run(_one(engine, ask))[0] for ask in asks]
    assert reused == [0, 200]


@pytest.mark.parametrize("options", [{"share_prefixes": 1}, {"shared": True}])
def test_a_wrong_option_is_refused(tiny_f32: Path, options: dict[str, object]) -> None:
    """A misspelt option is an error at load, not a promise that is not kept."""
    with pytest.raises(ModelUnloadable, match="share"), engine_on(tiny_f32, options=options):
        pass
