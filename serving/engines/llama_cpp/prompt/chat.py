"""A model's chat template: turns messages into the prompt text that the model expects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.serving.engines.helper.limits import HelperLimits
from modelyard.serving.engines.helper.pool import HelperPool, HelperRefused
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import UNBOUND, Bound
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.tool_calls.forms import CallForm, form_of
from modelyard.serving.errors import InvalidRequest, ModelUnloadable, UnsupportedParameter
from modelyard.serving.wire.openai.chat.calls import Call
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.chat.tools import Tool

MAX_TEMPLATE = 256 * 1024
RENDERER = "modelyard.serving.engines.llama_cpp.prompt.renderer"


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template, rendered in processes of its own: it is code from a stranger.

    `begin` is the token it may write first. Thread-safe; `close` ends its processes.
    """

    renderers: HelperPool
    begin: str
    takes_tools: bool = False
    calls: CallForm | None = None

    @classmethod
    def of(
        cls, source: str, vocabulary: Vocabulary, limits: HelperLimits | None = None
    ) -> "ChatTemplate":
        """Compile a template; raises ModelUnloadable if it is too large or not valid jinja2."""
        if len(source) > MAX_TEMPLATE:
            raise ModelUnloadable(
                f"The chat template has {len(source)} characters; {MAX_TEMPLATE} are allowed."
            )
        begin = vocabulary.text_of(vocabulary.begin)
        end = vocabulary.text_of(vocabulary.end)
        setting = {"source": source, "begin": begin, "end": end}
        renderers = HelperPool(RENDERER, setting, limits or HelperLimits())
        try:
            takes_tools = bool(renderers.ask({})["takes_tools"])
        except HelperRefused as refused:
            raise ModelUnloadable(f"The chat template is not valid: {refused}.") from None
        return cls(renderers, begin, takes_tools, form_of(source) if takes_tools else None)

    def close(self) -> None:
        self.renderers.close()

    def render(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> str:
        """The prompt text, up to where the assistant starts; raises InvalidRequest."""
        if not self.takes_tools:
            _refuse_tool_turns(messages)
        turns = [_turn(message) for message in messages]
        shown = [dict(tool.definition) for tool in tools] or None
        try:
            return self.renderers.ask({"messages": turns, "tools": shown})
        except HelperRefused as refused:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {refused}.", param="messages"
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
