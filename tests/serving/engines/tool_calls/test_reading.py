"""Calls are found in a model's text however it is cut into pieces."""

import json
from typing import Any

import pytest

from modelyard.serving.engines.tool_calls.forms import (
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_NAMED,
    CallForm,
    CallPlan,
    form_of,
)
from modelyard.serving.engines.tool_calls.reading import CallReader
from modelyard.serving.engines.tool_calls.saying import whole_calls

NAMES = frozenset({"weather", "add"})
ROME: dict[str, Any] = {"city": 'Rome "}]" {', "days": [1, {"x": "\\"}]}
ARGUMENTS = json.dumps(ROME)
CALL = f'{{"name": "weather", "arguments": {ARGUMENTS}}}'


def _read(form: CallForm, text: str, size: int, *, once: bool = False) -> tuple[str, list[Any]]:
    """The text and the calls, read in pieces of so many characters."""
    reader = CallReader(CallPlan(form, NAMES, once))
    shown = ""
    parts = list[Any]()
    for start in range(0, len(text), size):
        heard = reader.push(text[start : start + size])
        shown, parts = shown + heard.text, parts + heard.calls
    calls = [(c.function.name, json.loads(c.function.arguments)) for c in whole_calls(parts)]
    return shown + reader.finish(), calls


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("form", "text", "shown", "calls"),
    [
        (HERMES, f"Let me see.\n<tool_call>\n{CALL}\n</tool_call>", "Let me see.",
         [("weather", ROME)]),
        (HERMES, (f"<tool_call>{CALL}</tool_call>\n<tool_call>\n"
         '{"name":"add","arguments":{}}</tool_call>\n'), "", [("weather", ROME), ("add", {})]),
        (HERMES, '<tool_call>{"arguments": {"a": 1}, "name": "add"}</tool_call>', "",
         [("add", {"a": 1})]),
        (HERMES, "1 < 2 and <tool is no call. ", "1 < 2 and <tool is no call. ", []),
        (HERMES, "<tool_call>nonsense", "<tool_call>nonsense", []),
        (HERMES, '<tool_call>{"no": 1}</tool_call>', '<tool_call>{"no": 1}</tool_call>', []),
        (MISTRAL, f'[TOOL_CALLS][{CALL}, {{"name": "add", "arguments": {{}}}}]', "",
         [("weather", ROME), ("add", {})]),
        (MISTRAL, f'[TOOL_CALLS] [{CALL[:-1]}, "id": "abc"}}]', "", [("weather", ROME)]),
        (MISTRAL_NAMED, f"[TOOL_CALLS]weather[ARGS]{ARGUMENTS}[TOOL_CALLS]add[ARGS]{{}}", "",
         [("weather", ROME), ("add", {})]),
        (LLAMA, f'{{"name": "weather", "parameters": {ARGUMENTS}}}', "", [("weather", ROME)]),
        (LLAMA, f'<|python_tag|>{{"name": "weather", "parameters": {ARGUMENTS}}}', "",
         [("weather", ROME)]),
        (LLAMA, '{"name": "Ada", "parameters": {}}', '{"name": "Ada", "parameters": {}}', []),
        (LLAMA, 'It is {"name": 1}.', 'It is {"name": 1}.', []),
    ],
)  # fmt: skip
def test_text_and_calls_are_told_apart(
    form: CallForm, text: str, shown: str, calls: list[Any], size: int
) -> None:
    """Names, arguments and what was text, the same for every cut."""
    assert _read(form, text, size) == (shown, calls)


def test_arguments_arrive_while_they_are_written() -> None:
    """The name comes before the arguments are complete, and the arguments piece by piece."""
    reader = CallReader(CallPlan(HERMES, NAMES))
    assert reader.push('<tool_call>{"name": "add", "argum').calls == []
    first = reader.push('ents": {"a": ').calls
    assert [(p.name, p.arguments) for p in first] == [("add", ""), (None, '{"a": ')]
    assert [p.arguments for p in reader.push("12").calls] == ["12"]
    assert [p.arguments for p in reader.push("3}}</tool").calls] == ["3}"]
    assert reader.push("_call>").text + reader.finish() == ""


def test_one_call_ends_the_answer() -> None:
    """Without parallel calls what follows the first is not read."""
    reader = CallReader(CallPlan(HERMES, NAMES, once=True))
    assert len(reader.push(f"<tool_call>{CALL}</tool_call><tool_call>{CALL}").calls) == 2
    assert reader.ended
    assert reader.finish() == ""


def test_templates_tell_the_form() -> None:
    """By the marks they teach; a form that is not known is not guessed."""
    assert form_of("{% if tools %}<tool_call>{% endif %}") is HERMES
    assert form_of("[AVAILABLE_TOOLS] [TOOL_CALLS]") is MISTRAL
    assert form_of("[TOOL_CALLS] [ARGS]") is MISTRAL_NAMED
    assert form_of("<|python_tag|>") is LLAMA
    assert form_of("<tool_call><function=x>") is None
    assert form_of("{{ tools }}") is None
