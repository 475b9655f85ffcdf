"""A stream tells the gateway what it used without any client seeing it."""

from modelyard.serving.wire.openai.events import DONE, counted, event, take_counted
from modelyard.serving.wire.openai.usage import TokenCounts, Usage, read_counts

USAGE = Usage.of(prompt=7, completion=3, cached=2)
TEXT = event(USAGE)


def test_the_count_is_taken_out_wherever_it_stands() -> None:
    """Alone, last, or before more events; what is left is what the client gets."""
    for before, after in ((b"", b""), (TEXT + DONE, b""), (TEXT, DONE)):
        left, counts = take_counted(before + counted(USAGE) + after)
        assert left == before + after
        assert counts is not None
        assert (counts.prompt_tokens, counts.completion_tokens) == (7, 3)
        assert counts.cached_tokens == 2


def test_a_text_that_looks_like_it_is_left_alone() -> None:
    """A model may write anything: inside JSON a line never begins with it."""
    for text in (b'data: {"a": "\\n: usage {}"}\n\n', b": usage nonsense\n\n", DONE):
        assert take_counted(text) == (text, None)


def test_a_whole_answer_says_what_it_used() -> None:
    """Embeddings have no completion; what is no JSON object says nothing."""
    assert read_counts(b'{"usage": {"prompt_tokens": 5, "total_tokens": 5}}') == TokenCounts(5)
    assert read_counts(b'{"usage": null}') == TokenCounts()
    assert read_counts(b"tokens") == TokenCounts()
