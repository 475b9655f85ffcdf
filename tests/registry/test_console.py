"""Tables are read on a terminal of 80 columns."""

import pytest

from modelyard.registry.console import out, print_table


def test_no_cell_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever wrote it; its line breaks stay."""
    monkeypatch.setattr(out, "_width", 80)
    print_table(("Name",), [("a\x1b]0;title\x07b\x1b[31mc\u202ed\ne",)], empty="")
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == ["Name", "abcd", "e"]


def test_what_names_a_row_is_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be copied; nothing else is cut off, only broken."""
    monkeypatch.setattr(out, "_width", 80)
    name = "Qwen/Qwen2.5-0.5B-Instruct-GGUF@12"
    columns = ("Version", "Aliases", "Kind", "Quantization", "Size", "Licence", "Since")
    row = (name, "champion", "generate", "Q4_K_M", "4.7 GB", "apache-2.0", "2026-11-29")
    print_table(columns, [row], empty="")
    said = capsys.readouterr().out
    assert name in said
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said


def test_a_name_longer_than_the_terminal_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it is there."""
    monkeypatch.setattr(out, "_width", 40)
    print_table(("Version", "Size"), [("x" * 100, "1 GB")], empty="")
    assert capsys.readouterr().out.count("x") == 100
