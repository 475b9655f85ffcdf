"""A grammar takes so much of the scheduler's time and no more."""

from pathlib import Path

import pytest

from modelyard.serving.engines.generation import GrammarSource
from modelyard.serving.engines.llama_cpp.sampling.grammar import GrammarCopy
from modelyard.serving.errors import GrammarTooSlow
from tests.serving.engines.llama_cpp.serial_oracle import engine_on

# Every bracket has two ways to go on: after sixteen there are 65,536.
DOUBLING = GrammarSource('root ::= "[" root "]" | "[" root ")" | "x"', "tools")
SINGLE = GrammarSource('root ::= "[" root "]" | "x"', "tools")


def test_a_grammar_whose_ways_multiply_ends_its_own_answer(tiny_f32: Path) -> None:
    """It is refused by name once its time is over; one that is simple goes on for ever."""
    with engine_on(tiny_f32) as engine:
        (bracket,) = engine.vocabulary.tokens("[", begin=False)
        simple = engine.prompting.grammars.compiled(SINGLE).copy(first_s=0.2)
        for _ in range(500):
            simple.accept(bracket)
        doubling = engine.prompting.grammars.compiled(DOUBLING).copy(first_s=0.2)
        refused = _first_refusal(doubling, bracket)
    assert refused.param == "tools"


def _first_refusal(grammar: GrammarCopy, token: int) -> GrammarTooSlow:
    for _ in range(16):
        try:
            grammar.accept(token)
        except GrammarTooSlow as refused:
            return refused
    pytest.fail("it may take whatever it likes")
