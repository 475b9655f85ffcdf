"""Many constants are told apart letter by letter, and are still exactly themselves."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.engines.json_grammar.constants import constants

LETTERS = st.text("ab1", max_size=6)


def _as_regex(gbnf: str) -> re.Pattern[str]:
    return re.compile(gbnf.replace('\\"', "Q").replace('"', "").replace(" ", ""))


@given(values=st.sets(LETTERS | st.integers(0, 2000), max_size=60), other=LETTERS)
def test_exactly_the_constants(values: set[str | int], other: str) -> None:
    """Each constant is written, and nothing else is."""
    pattern = _as_regex(constants(values))
    for value in {*values, other} if values else {other}:
        written = json.dumps(value).replace('"', "Q")
        assert bool(pattern.fullmatch(written)) == (value in values)


def test_a_thousand_are_no_list_of_a_thousand() -> None:
    """No place has more ways than there are letters: each way costs time at every token."""
    grammar = constants(f"number-{n}" for n in range(1000))
    level = [0]
    most = 0
    for part in re.findall(r'[()|]|"[^"]*"', grammar.replace('\\"', "")):
        if part == "(":
            level.append(0)
        elif part == ")":
            level.pop()
        elif part == "|":
            level[-1] += 1
            most = max(most, level[-1])
    assert most < 12
