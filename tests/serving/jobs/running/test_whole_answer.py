"""A streamed answer put together again is what the engine would have sent whole."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from modelyard.serving.engines.generation import Delta, Finish, TokenScore
from modelyard.serving.engines.http.answers import AnswerFormat, ChatAnswer, CompletionAnswer
from modelyard.serving.engines.http.tally import ChoiceUsage
from modelyard.serving.engines.tool_calls.forms import CallPart
from modelyard.serving.jobs.running.whole_answer import WholeAnswer, asked_as_stream
from modelyard.serving.wire.openai.events import DONE, END, event
from modelyard.serving.wire.openai.usage import Usage

Choices = Sequence[Sequence[Delta]]

WORDS: Choices = (
    (Delta("All ", 1), Delta("the", 1), Delta("", 1, Finish.LENGTH)),
    (Delta("wörld\n\n", 1), Delta("data: [DONE]", 1, Finish.STOP)),
)
CALLS: Choices = (
    (
        Delta("Let me see.", 3),
        Delta("", 2, calls=(CallPart(0, '{"ci', "call_1", "weather"),)),
        Delta("", 2, calls=(CallPart(0, 'ty":1}'), CallPart(1, "{}", "call_2", "time"))),
        Delta("", 1, Finish.CALLS),
    ),
)
ONLY_CALLS: Choices = ((Delta("", 2, Finish.CALLS, calls=(CallPart(0, "{}", "c", "f"),)),),)
"""What engines say, choice by choice."""


def both(form: AnswerFormat, choices: Choices) -> tuple[object, object]:
    """The engine's whole answer, and what became of its stream."""
    tallies = [ChoiceUsage() for _ in choices]
    streamed = [ChoiceUsage() for _ in choices]
    found = WholeAnswer()
    for index in range(len(choices)):
        if (first := form.first(index)) is not None:
            found.add(event(first))
    for index, deltas in enumerate(choices):
        for delta in deltas:
            tallies[index].count(delta)
            streamed[index].count(delta)
            found.add(event(form.chunk(index, delta, streamed[index])))
    usage = Usage.of(prompt=3, completion=5)
    found.add(event(form.last(usage)) + DONE)
    whole = msgspec.json.encode(form.whole(tallies, usage))
    return json.loads(whole), json.loads(found.json())


@pytest.mark.parametrize("choices", [WORDS, CALLS, ONLY_CALLS])
def test_a_chat_answer_is_whole_again(choices: Choices) -> None:
    """Texts, calls in pieces, several choices, an end of its own for each."""
    whole, again = both(ChatAnswer("m", "v", msgspec.UNSET), choices)
    assert again == whole


def test_a_text_answer_is_whole_again() -> None:
    """Line breaks in it end no event."""
    whole, again = both(CompletionAnswer("m", "v", msgspec.UNSET), WORDS)
    assert again == whole


def test_scores_are_put_together() -> None:
    """Of chat one list, of texts four, each longer with every piece."""
    choices = ((scored("All"), scored(" the", Finish.STOP)),)
    for form in (
        ChatAnswer("m", "v", msgspec.UNSET, scored=True),
        CompletionAnswer("m", "v", msgspec.UNSET, scored=True),
    ):
        whole, again = both(form, choices)
        assert again == whole


def scored(text: str, finish: Finish | None = None) -> Delta:
    said = text.encode()
    score = TokenScore(said, said, -0.5, ((said, -0.5),))
    return Delta(text, 1, finish, scores=(score,))


def test_an_error_at_the_end_is_kept() -> None:
    """A stream that failed says why in its last event."""
    found = WholeAnswer()
    found.add(
        b'data: {"error":{"message":"no","type":"server_error","code":"engine_failed"}}' + END
    )
    assert found.error is not None
    assert (found.error.code, found.error.type) == ("engine_failed", "server_error")


def test_the_body_stays_as_it_was_but_for_the_stream() -> None:
    """Numbers of any length and precision pass through as they were written."""
    body = b'{"model":"m","seed":123456789012345678901234567890,"temperature":0.10,"stream":false}'
    asked = asked_as_stream(body)
    assert b'"seed":123456789012345678901234567890' in asked
    assert b'"temperature":0.10' in asked
    assert json.loads(asked)["stream"] is True
    assert json.loads(asked)["stream_options"] == {"include_usage": True}
