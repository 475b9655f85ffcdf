"""What a model writes does not steer the terminal it is shown on."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.serving.cli.chat import answer_stream
from modelyard.serving.cli.chat.chat import Talk
from modelyard.serving.cli.connection import GatewayConnection

PIECES = ("a\x1b]52;c;cm0gLXJm\x07", "b\x1b", "[31mc\n", "d\u202e")


@pytest.mark.parametrize(("is_terminal", "shown"), [(True, "ab[31mc\nd"), (False, "".join(PIECES))])
def test_an_answer_is_shown_without_commands_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_terminal: bool,
    shown: str,
) -> None:
    """A prompt that somebody else wrote may make it write any; a file gets what was written."""

    def stream(_connection: GatewayConnection, _body: Any) -> Iterator[str]:
        yield from PIECES

    monkeypatch.setattr(answer_stream, "stream", stream)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    talk = Talk(GatewayConnection("http://127.0.0.1:9", "key"), "owner/name", {})
    talk.say("Hello")
    assert capsys.readouterr().out == shown + "\n"
    assert talk.messages[-1]["content"] == "".join(PIECES)
