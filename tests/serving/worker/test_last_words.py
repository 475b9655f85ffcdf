"""The last lines of a stream are kept, whatever it sends."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.worker.last_words import LINE_BYTES, LINES, OutputTail


@given(chunks=st.lists(st.binary(max_size=3000), max_size=30))
def test_memory_stays_bounded_and_nothing_breaks(chunks: list[bytes]) -> None:
    """Any bytes in any pieces leave at most LINES + 1 lines of bounded length."""
    words = OutputTail()
    for chunk in chunks:
        words.hear(chunk)
    assert len(words.lines) <= LINES + 1
    assert all(0 < len(line) <= LINE_BYTES for line in words.lines)


def test_lines_survive_being_cut_into_pieces() -> None:
    """A line that comes in two reads is one line; an unfinished one counts too."""
    words = OutputTail()
    for piece in (b"one\ntw", b"o\n\nthr", b"ee"):
        words.hear(piece)
    assert words.lines == ("one", "two", "three")
