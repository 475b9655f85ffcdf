"""A model's chat template: turns messages into the prompt text that the model expects."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.meta import find_undeclared_variables

from modelyard.serving.engines.llama_cpp.prompt.sandbox import TemplateSandbox, within
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import UNBOUND, Bound
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.tool_calls.forms import CallForm, form_of
from modelyard.serving.errors import InvalidRequest, ModelUnloadable, UnsupportedParameter
from modelyard.serving.wire.openai.chat.calls import Call
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.chat.tools import Tool

MAX_TEMPLATE = 256 * 1024
MAX_TEXT = 16 * 1024 * 1024
SECONDS = 2.0
# Errors that a template's code may raise: its own refusal, a wrong type, a Python limit.
_REFUSALS = (TemplateError, TypeError, ValueError, ArithmeticError, MemoryError, RecursionError)


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A compiled template, and the special tokens it may use."""

    template: Template
    begin: str
    end: str
    takes_tools: bool = False
    calls: CallForm | None = None

    @classmethod
    def of(cls, source: str, vocabulary: Vocabulary) -> "ChatTemplate":
        """Compile a template; raises ModelUnloadable if it is too large or not valid jinja2."""
        if len(source) > MAX_TEMPLATE:
            raise ModelUnloadable(
                f"The chat template has {len(source)} characters; {MAX_TEMPLATE} are allowed."
            )
        sandbox = TemplateSandbox()
        try:
            template = sandbox.compiled(source)
            takes_tools = "tools" in find_undeclared_variables(sandbox.parse(source))
        except (TemplateError, RecursionError) as error:
            raise ModelUnloadable(f"The chat template is not valid: {error}.") from None
        return cls(
            template,
            vocabulary.text_of(vocabulary.begin),
            vocabulary.text_of(vocabulary.end),
            takes_tools,
            form_of(source) if takes_tools else None,
        )

    def render(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> str:
        """The prompt text, up to where the assistant starts; raises InvalidRequest."""
        if not self.takes_tools:
            _refuse_tool_turns(messages)
        turns = [_turn(message) for message in messages]
        shown = [copy.deepcopy(dict(tool.definition)) for tool in tools] or None
        try:
            return within(SECONDS, lambda: self._text(turns, shown))
        except _REFUSALS as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}.", param="messages"
            ) from None

    def tokens(
        self,
        messages: Sequence[ChatMessage],
        vocabulary: Vocabulary,
        tools: Sequence[Tool] = (),
        *,
        bound: Bound = UNBOUND,
    ) -> list[int]:
        """The conversation as tokens, with exactly one begin token."""
        text = self.render(messages, tools)
        begins = bool(self.begin) and text.startswith(self.begin)
        return vocabulary.tokens(text, begin=not begins, bound=bound)

    def _text(self, turns: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
        parts: list[str] = []
        room = MAX_TEXT
        for part in self.template.generate(
            messages=turns,
            add_generation_prompt=True,
            bos_token=self.begin,
            eos_token=self.end,
            tools=tools,
            documents=None,
        ):
            parts.append(part)
            room -= len(part)
            if room < 0:
                raise TemplateError(f"it writes more than {MAX_TEXT} characters")
        return "".join(parts)


def _turn(message: ChatMessage) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        turn["name"] = message.name
    if message.answers is not None:
        turn["tool_call_id"] = message.answers
    if message.calls:
        turn["tool_calls"] = [_called(call) for call in message.calls]
    return turn


def _called(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": dict(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _refuse_tool_turns(messages: Sequence[ChatMessage]) -> None:
    """Raise if the messages use tools; a template without tools would drop them silently."""
    for i, message in enumerate(messages):
        if message.calls or message.role == "tool":
            raise UnsupportedParameter(
                f"'messages[{i}]' is about a tool: this model's template knows none.",
                param=f"messages[{i}]",
            )
