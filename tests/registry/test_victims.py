"""What leaves is enough, nothing of it leaves for nothing, and the least missed go first."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from modelyard.registry.victims import enough_victims

SIZES = st.lists(st.integers(0, 10), max_size=7)


@given(SIZES, st.integers(-5, 60))
def test_all_that_leaves_is_needed_and_suffices(sizes: list[int], missing: int) -> None:
    """None only where everything together would be too little."""
    leaving = enough_victims(range(len(sizes)), missing, sizes.__getitem__)
    if leaving is None:
        assert sum(sizes) < missing
        return
    freed = sum(sizes[index] for index in leaving)
    assert freed >= missing or not leaving
    assert all(freed - sizes[index] < missing for index in leaving)


@given(SIZES, st.integers(1, 60))
def test_none_that_is_missed_more_leaves_than_must(sizes: list[int], missing: int) -> None:
    """The most missed of those that leave is the least that it can be."""
    leaving = enough_victims(range(len(sizes)), missing, sizes.__getitem__)
    if leaving is None:
        return
    assert leaving == sorted(leaving)
    enough = (
        chosen[-1]
        for count in range(1, len(sizes) + 1)
        for chosen in combinations(range(len(sizes)), count)
        if sum(sizes[index] for index in chosen) >= missing
    )
    assert leaving[-1] == min(enough)
