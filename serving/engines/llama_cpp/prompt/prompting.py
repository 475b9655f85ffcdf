"""Turns a request into a runnable generation: tokens that fit the context, a compiled grammar."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.serving.engines.generation import (
    Generation,
    GenerationRequest,
    GrammarSource,
    ToolsAsk,
)
from modelyard.serving.engines.json_grammar.convert import grammar_of
from modelyard.serving.engines.llama_cpp.prompt.chat import ChatTemplate
from modelyard.serving.engines.llama_cpp.sampling.grammar import Grammars
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import Bound
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.tool_calls.forms import CallForm, CallPlan
from modelyard.serving.engines.tool_calls.grammar import calls_only, text_or_calls
from modelyard.serving.errors import ContextLengthExceeded, InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.chat.tools import Tool


@dataclass(frozen=True, slots=True)
class PromptPreparation:
    """Checks requests against one model; thread-safe."""

    vocabulary: Vocabulary
    template: ChatTemplate | None
    grammars: Grammars
    context_length: int

    def generation(self, ask: GenerationRequest) -> Generation:
        """Prepare a request; raises InvalidRequest or ContextLengthExceeded, naming the field."""
        form = self._call_form() if ask.tools else None
        prompt = self._tokens(ask)
        self.vocabulary.check("logit_bias", (token for token, _ in ask.sampling.logit_bias))
        source = self._grammar(ask, form)
        if source is not None:
            self.grammars.compiled(source)
        return Generation(
            prompt,
            self._limit(ask, len(prompt)),
            ask.stop,
            ask.sampling,
            ask.scoring,
            echo=self._echo(ask) if ask.echo else "",
            endless=ask.endless,
            grammar=source,
            calls=_plan(form, ask.tools) if form and ask.tools else None,
            tenant=ask.tenant,
            adapter=ask.adapter,
        )

    def close(self) -> None:
        if self.template is not None:
            self.template.close()

    def _call_form(self) -> CallForm:
        if self.template is None or not self.template.takes_tools:
            raise UnsupportedParameter("This model's chat template takes no tools.", param="tools")
        if self.template.calls is None:
            raise UnsupportedParameter(
                "This model's chat template writes calls in a form that is not known here.",
                param="tools",
            )
        return self.template.calls

    def _grammar(self, ask: GenerationRequest, form: CallForm | None) -> GrammarSource | None:
        """The grammar that constrains the answer: required or strict tools, else a schema."""
        asked = ask.tools
        if form is not None and asked is not None:
            if asked.must:
                return GrammarSource(calls_only(form, asked.tools, once=asked.once), "tools")
            if any(tool.strict for tool in asked.tools):
                return GrammarSource(text_or_calls(form, asked.tools, once=asked.once), "tools")
        if ask.form is None:
            return None
        return GrammarSource(grammar_of(ask.form), ask.form.where)

    def _tokens(self, ask: GenerationRequest) -> tuple[int, ...]:
        if isinstance(ask.prompt, str):
            bound = Bound("prompt", self.context_length)
            return self._some("prompt", self.vocabulary.tokens(ask.prompt, bound=bound))
        messages = [m for m in ask.prompt if isinstance(m, ChatMessage)]
        if messages:
            tools = ask.tools.tools if ask.tools else ()
            bound = Bound("messages", self.context_length)
            return self._some("messages", self.chat(messages, tools, bound=bound))
        tokens = [t for t in ask.prompt if isinstance(t, int)]
        self.vocabulary.check("prompt", tokens)
        return self._some("prompt", tokens)

    def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = (), *, bound: Bound
    ) -> list[int]:
        """A conversation as tokens, limited by `bound`."""
        if self.template is None:
            raise InvalidRequest(
                "This model has no chat template.", param="messages", fix="Use /v1/completions."
            )
        return self.template.tokens(messages, self.vocabulary, tools, bound=bound)

    def _some(self, param: str, tokens: list[int]) -> tuple[int, ...]:
        if not tokens:
            raise InvalidRequest(f"'{param}' has no tokens: it must have one.", param=param)
        if len(tokens) >= self.context_length:
            raise ContextLengthExceeded(
                f"'{param}' has {len(tokens)} tokens; the context holds {self.context_length},"
                " the answer included.",
                param=param,
            )
        return tuple(tokens)

    def _limit(self, ask: GenerationRequest, used: int) -> int:
        room = self.context_length - used
        return room if ask.limit is None else min(ask.limit, room)

    def _echo(self, ask: GenerationRequest) -> str:
        if isinstance(ask.prompt, str):
            return ask.prompt
        return self.vocabulary.text(t for t in ask.prompt if isinstance(t, int))


def _plan(form: CallForm, asked: ToolsAsk) -> CallPlan:
    return CallPlan(form, frozenset(tool.name for tool in asked.tools), asked.once)
