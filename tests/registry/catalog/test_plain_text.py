"""Text from outside is shown without what a terminal or a page would obey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.registry.catalog.plain_text import plain_line, plain_text


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("a\x1b]52;c;cm0=\x07b", "ab"),
        ("a\x1b]52;c;cm0=\x1b\\b", "ab"),
        ("a\x9d52;c;cm0=\x9cb", "ab"),
        ("a\x1b]8;;http://evil\x07link\x1b]8;;\x07", "alink"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x9b2Jb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1bP1$r\x1b\\b", "ab"),
        ("a\x1b]52;without an end", "a"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("two\r\nlines\tand\x00a tab", "two lines anda tab"),
        ("\ud800half", "half"),
        ("Größe ñ 模型 🦙", "Größe ñ 模型 🦙"),
    ],
)
def test_commands_and_hidden_marks_are_left_out(given_text: str, shown: str) -> None:
    """Clipboard, links, colours, cleared screens, writing turned round; no letter is lost."""
    assert plain_line(given_text, 100) == shown


def test_a_text_keeps_its_lines() -> None:
    """A card is read in paragraphs; a lone carriage return would overwrite a line."""
    assert plain_text("one\r\ntwo\tx\rthree\x1b[2J", 100) == "one\ntwo\tx\nthree"


@given(st.text(), st.integers(1, 50))
def test_a_line_is_printable_and_bounded(text: str, longest: int) -> None:
    line = plain_line(text, longest)
    assert len(line) <= longest
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in line)
    assert plain_line(line, longest) == line


@given(st.text())
def test_a_text_has_no_control_but_line_breaks_and_tabs(text: str) -> None:
    assert all(
        letter in "\n\t" or not (ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0)
        for letter in plain_text(text, 1000)
    )
