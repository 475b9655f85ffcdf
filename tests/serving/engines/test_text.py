"""Text leaves an engine in whole characters and ends where a stop string begins."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.engines.text import StopText, TextStream


def _through(stops: tuple[str, ...], pieces: list[str]) -> str:
    text = StopText(stops)
    return "".join(text.push(p) for p in pieces) + text.rest()


def test_a_stop_string_over_three_tokens_never_shows() -> None:
    """What may become a stop string is held back until it is known not to be one."""
    text = StopText(("END",))
    assert [text.push(p) for p in ("ab E", "N", "Dcd")] == ["ab ", "", ""]
    assert text.stopped
    assert text.rest() == ""


def test_a_false_start_is_let_go() -> None:
    """Held text shows as soon as it can no longer become a stop string."""
    text = StopText(("END",))
    assert [text.push(p) for p in ("E", "N", "X")] == ["", "", "ENX"]


def test_what_is_held_at_the_end_is_text() -> None:
    """An answer that ends with half a stop string keeps it."""
    text = StopText(("END",))
    assert text.push("the EN") + text.rest() == "the EN"


def test_the_earliest_of_several_stops_wins() -> None:
    """Of two stop strings in one piece the one that begins first cuts the text."""
    assert _through(("cd", "b"), ["abcd"]) == "a"


@given(
    text=st.text("ab", max_size=30),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), max_size=4),
    cuts=st.lists(st.integers(0, 30), max_size=10),
)
def test_pieces_do_not_matter(text: str, stops: list[str], cuts: list[int]) -> None:
    """However the text is cut into tokens, what shows never holds a stop string and is a prefix."""
    borders = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(borders)]
    shown = _through(tuple(stops), pieces)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert (shown == text) == (not any(stop in text for stop in stops))


@given(st.text(max_size=20), st.integers(1, 4))
def test_bytes_of_any_cut_give_the_same_text(text: str, size: int) -> None:
    """UTF-8 split over tokens at any byte is decoded once whole."""
    data = text.encode("utf-8")
    stream = TextStream(StopText())
    parts = [stream.push(data[i : i + size]) for i in range(0, len(data), size)]
    assert "".join(parts) + stream.rest() == text
    assert not any("\ufffd" in part for part in parts) or "\ufffd" in text


def test_a_character_cut_short_by_the_end_is_marked() -> None:
    """A character whose last byte never came becomes U+FFFD."""
    stream = TextStream(StopText())
    assert stream.push("é".encode()[:1]) == ""
    assert stream.rest() == "\ufffd"
