"""Bounded whole numbers are exactly those between the bounds."""

import re

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.engines.json_grammar.words import text, whole_numbers

NEAR = st.integers(-2100, 2100)


def _as_regex(gbnf: str) -> re.Pattern[str]:
    return re.compile(gbnf.replace('"', "").replace(" ", ""))


@given(a=NEAR, b=NEAR, some=st.lists(NEAR, max_size=50))
def test_exactly_the_numbers_between(a: int, b: int, some: list[int]) -> None:
    """Every number within is written one way, none outside is."""
    least = min(a, b)
    most = max(a, b)
    pattern = _as_regex(whole_numbers(least, most))
    for number in {*some, least - 1, least, most, most + 1, 0, 9, 10, -10, 99, 100, 1000}:
        assert bool(pattern.fullmatch(str(number))) == (least <= number <= most)
    assert not pattern.fullmatch("-0")
    assert not pattern.fullmatch("007")


def test_a_literal_is_escaped() -> None:
    """Quotes, backslashes and line ends would end or change it."""
    assert text('a"\\\n') == '"a\\"\\\\\\n"'
