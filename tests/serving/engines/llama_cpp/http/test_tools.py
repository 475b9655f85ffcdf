"""Tools with the unmodified `openai` client: shown by the template, called, answered."""

import json
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest

from modelyard.serving.engines.generation import GrammarSource
from modelyard.serving.engines.llama_cpp.prompt.chat import ChatTemplate
from modelyard.serving.engines.llama_cpp.sampling.candidates import Candidates
from modelyard.serving.engines.llama_cpp.sampling.sampler import GrammarSampler
from modelyard.serving.engines.llama_cpp.sampling.token_text import TokenText
from modelyard.serving.engines.tool_calls.forms import (
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_NAMED,
    CallForm,
)
from modelyard.serving.engines.tool_calls.grammar import text_or_calls
from modelyard.serving.wire.openai.chat.messages import read_messages
from modelyard.serving.wire.openai.chat.tools import read_tools
from tests.models.tiny import Tiny
from tests.serving.engines.llama_cpp.serial_oracle import engine_on
from tests.serving.engines.processes import StartedEngine, engine_process

PLACE = {"type": "string", "maxLength": 6}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": PLACE, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "strict": True}},
    {"type": "function", "function": {"name": "now", "description": "the time"}},
]
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Rome?"}]}
TEMPLATE = (
    "{% if tools %}{{ tools | tojson }} answer by SIGN{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}"
    "{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
SIGNS = {
    "hermes": "<tool_call>",
    "mistral": "[TOOL_CALLS]",
    "mistral-named": "[TOOL_CALLS] [ARGS]",
    "llama": '{"name": function name, "parameters"',
}


@pytest.fixture(scope="module", params=SIGNS)
def engine(request: pytest.FixtureRequest, models: Path) -> Generator[StartedEngine]:
    template = TEMPLATE.replace("SIGN", "{{ '" + SIGNS[request.param] + "' }}")
    path = Tiny(endless=True, chat_template=template).write(models / f"{request.param}.gguf")
    with engine_process(format="gguf", path=str(path), context_length=1024) as running:
        yield running


def _calls(engine: StartedEngine, **asked: Any) -> list[tuple[str, Any]]:
    """Name and arguments of each call, the same whole and streamed."""
    client = engine.client()
    asked = ASK | {"tools": TOOLS, "temperature": 0.7, "seed": 4, "max_tokens": 400} | asked
    choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason in ("tool_calls", "length")
    assert choice.message.content is None
    found = [(c.function.name, c.function.arguments) for c in choice.message.tool_calls or []]
    streamed = list[list[str]]()
    for chunk in client.chat.completions.create(**asked, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            assert part.function is not None
            if part.id:
                streamed.append([part.function.name or "", ""])
            streamed[part.index][1] += part.function.arguments or ""
    assert [tuple(call) for call in streamed] == found
    if choice.finish_reason == "length":
        found = found[:-1]
    return [(name, json.loads(arguments)) for name, arguments in found]


def test_a_named_tool_is_called_once_and_rightly(engine: StartedEngine) -> None:
    """Whatever the model would say, it calls this tool with arguments of its schema."""
    choice = {"type": "function", "function": {"name": "weather"}}
    for seed in range(3):
        [(name, arguments)] = _calls(engine, tool_choice=choice, seed=seed)
        assert name == "weather"
        jsonschema.validate(arguments, SCHEMA)


def test_required_means_some_tool(engine: StartedEngine) -> None:
    """At least one call, and only of tools there are; one at a time if so asked."""
    for seed in range(3):
        asked: dict[str, Any] = {"tool_choice": "required", "seed": seed}
        calls = _calls(engine, **asked, parallel_tool_calls=False)
        assert len(calls) <= 1
        for name, arguments in [*calls, *_calls(engine, **asked)]:
            assert name in ("weather", "now")
            if name == "weather":
                jsonschema.validate(arguments, SCHEMA)


def test_the_answer_of_a_tool_goes_back(engine: StartedEngine) -> None:
    """An assistant's calls and a tool's answer are messages as the client keeps them."""
    client = engine.client()
    choice: Any = {"type": "function", "function": {"name": "weather"}}
    asked: dict[str, Any] = ASK | {"tools": TOOLS, "max_tokens": 200}
    message = client.chat.completions.create(**asked, tool_choice=choice).choices[0].message
    assert message.tool_calls
    turns = [*ASK["messages"], message.model_dump(exclude_none=True)]
    turns.append({"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"})
    answer = client.chat.completions.create(model="m", messages=turns, tools=TOOLS, max_tokens=4)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4


def test_none_and_auto_leave_text_alone(engine: StartedEngine) -> None:
    """Tools that are not to be called are not shown; `auto` lets the model talk."""
    client = engine.client()
    plain: dict[str, Any] = ASK | {"temperature": 0, "max_tokens": 12}
    text = client.chat.completions.create(**plain).choices[0]
    none = client.chat.completions.create(**plain, tools=TOOLS, tool_choice="none").choices[0]
    auto = client.chat.completions.create(**plain, tools=TOOLS).choices[0]
    assert none.message.content == text.message.content
    assert auto.message.content
    assert auto.message.tool_calls is None


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"tools": [{"type": "web"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
         "tool_choice"),
        ({"tools": TOOLS * 2}, "tools"),
        ({"tools": TOOLS, "response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {
            "name": "a", "strict": True, "parameters": {"properties": {"b": {"pattern": "x"}}}}}]},
         "tools[0].function.parameters.properties.b.pattern"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "a", "arguments": "[]"}}]}]},
         "messages[0].tool_calls[0].function.arguments"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_tools_is_named(
    engine: StartedEngine, extra: dict[str, Any], param: str
) -> None:
    """A 400 that points at the very place."""
    with pytest.raises(openai.BadRequestError) as caught:
        engine.client().chat.completions.create(**ASK | extra)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("source", "says"), [("{{ messages[0].content }}", "no tools"), ("{{ tools }}", "not known")]
)
def test_a_template_without_tools_takes_none(models: Path, source: str, says: str) -> None:
    """Neither tools nor their turns are left out without a word."""
    path = Tiny(chat_template=source).write(models / "toolless.gguf")
    with engine_process(format="gguf", path=str(path)) as running:
        client = running.client()
        with pytest.raises(openai.BadRequestError, match=says) as caught:
            client.chat.completions.create(**ASK, tools=TOOLS)
        assert caught.value.param == "tools"
        if says == "no tools":
            turn: Any = {"role": "tool", "tool_call_id": "1", "content": "x"}
            with pytest.raises(openai.BadRequestError, match="about a tool"):
                client.chat.completions.create(model="m", messages=[*ASK["messages"], turn])


def test_a_template_is_given_tools_and_calls_as_objects(tiny_f32: Path) -> None:
    """Hugging Face's convention: definitions as they came, arguments as an object."""
    turns = read_messages(
        [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function",
                 "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]},
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        ]
    )  # fmt: skip
    with engine_on(tiny_f32) as engine:
        template = ChatTemplate.of(TEMPLATE.replace("SIGN", "<tool_call>"), engine.vocabulary)
        with closing(template):
            text = template.render(turns, read_tools(TOOLS))
    assert '"function": {"name": "now", "description": "the time"' in text
    assert 'weather{"city": "Rome"}<|im_end|>' in text
    assert "<|im_start|>tool\nsunny" in text


RIGHT = '{"name": "weather", "arguments": {"city": "Rome", "days": 3}}'
WRONG = '{"name": "weather", "arguments": {"city": "Rome", "days": 30}}'


@pytest.mark.parametrize(
    ("form", "text", "fits"),
    [
        (HERMES, "Just text, 1 < 2, <tool_cal> and <<tool_cal", True),
        (HERMES, f"Well: <tool_call>\n{RIGHT}\n</tool_call>", True),
        (HERMES, f"<<tool_call>{RIGHT}</tool_call>\n<tool_call>{RIGHT}</tool_call>", True),
        (HERMES, f"<tool_call>{WRONG}</tool_call>", False),
        (HERMES, f"<tool_call>{RIGHT}</tool_call> and more", False),
        (HERMES, "<tool_call>nothing", False),
        (MISTRAL, f"[TOOL_CALLS][{RIGHT}, {RIGHT}]", True),
        (MISTRAL, f"[TOOL_CALLS][{RIGHT}, {WRONG}]", False),
        (MISTRAL_NAMED, 'x[TOOL_CALLS]weather[ARGS]{"city": "R", "days": 1}', True),
        (MISTRAL_NAMED, "[TOOL_CALLS]weather[ARGS]{}", False),
        (LLAMA, "Text with {braces}", True),
        (LLAMA, RIGHT.replace("arguments", "parameters"), True),
        (LLAMA, WRONG.replace("arguments", "parameters"), False),
        (LLAMA, '{"a": 1}', False),
    ],
)
def test_strict_tools_allow_text_and_right_calls(
    tiny_f32: Path, form: CallForm, text: str, *, fits: bool
) -> None:
    """With `auto` a strict tool's call is valid once it has begun; other text is free."""
    source = GrammarSource(text_or_calls(form, read_tools(TOOLS), once=False), "tools")
    with engine_on(tiny_f32) as engine:
        grammar = engine.prompting.grammars.compiled(source)
        vocabulary = engine.vocabulary
        drawer = GrammarSampler(
            grammar.copy(), None, Candidates(vocabulary), TokenText(vocabulary, frozenset())
        )
        tokens = vocabulary.tokens(text, begin=False)
        assert all(drawer.take(t) for t in [*tokens, vocabulary.end]) == fits
        drawer.close()
