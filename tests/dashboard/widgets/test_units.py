"""Numbers and times read the way people say them."""

import pytest

from modelyard.dashboard.widgets import units


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (None, units.UNKNOWN),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (4_592_000, "4.38 MiB"),
        (16 * 2**30, "16.0 GiB"),
        (999.96 * 2**20, "0.98 GiB"),
        (150_000_000_000, "140 GiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_sizes_have_three_digits_and_a_binary_unit(bytes_: float | None, text: str) -> None:
    """Three digits are what one takes in; the unit changes before a fourth is needed."""
    assert units.size(bytes_) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (93600, "1 d 2 h"),
    ],
)
def test_durations_have_the_two_units_that_matter(seconds: float, text: str) -> None:
    """Nobody reads seconds of a run that took hours."""
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "just now"), (9, "just now"), (10, "10 s ago"), (7500, "2 h ago"), (1e6, "11 d ago")],
)
def test_moments_are_told_by_their_larger_unit(seconds: float, text: str) -> None:
    """A moment ahead of us, from a clock that is off, is just now."""
    assert units.ago(seconds) == text


def test_a_ratio_stays_between_nothing_and_all() -> None:
    """A progress bar takes 0..1 only, and a total of nothing gives no ratio."""
    assert units.of(3, 2) == 1.0
    assert units.of(-1, 2) == 0.0
    assert units.of(1, 0) is None
    assert units.of(None, 2) is None


def test_text_from_outside_is_no_markdown() -> None:
    """An image in a licence would be fetched from a foreign host by every browser that looks."""
    assert units.plain("![x](http://evil/x.png)\n# *a*") == (
        "\\!\\[x\\]\\(http\\:\N{WORD JOINER}\\/\\/evil\\/x\\.png\\) \\# \\*a\\*"
    )


def test_commands_in_messages_look_like_commands() -> None:
    """What stands in backticks stays code; a lone backtick is only itself."""
    assert units.prose("Run `modelyard up`, *now*.") == r"Run `modelyard up`\, \*now\*\."
    assert units.prose("a ` b") == r"a \` b"


@pytest.mark.parametrize("text", ["http://evil.example/x", "www.evil.example", "a@evil.example"])
def test_an_address_in_a_text_is_no_link(text: str) -> None:
    """Markdown would make a link of each; a sign that nobody sees keeps it apart."""
    shown = units.plain(text).replace("\\", "")
    assert shown.replace("\N{WORD JOINER}", "") == text
    assert text not in shown
