"""Converts HTTP requests to engine requests."""

from dataclasses import replace

from modelyard.serving.engines.generation import GenerationRequest, Sampling, Scoring, ToolsAsk
from modelyard.serving.wire.openai.chat.chat import ChatRequest
from modelyard.serving.wire.openai.completion import CompletionRequest
from modelyard.serving.wire.openai.parameters import Parameters


def chat_ask(request: ChatRequest) -> GenerationRequest:
    return GenerationRequest(
        request.messages,
        request.limit,
        request.stop,
        _sampling(request),
        scoring=Scoring(request.top_logprobs or 0) if request.logprobs else None,
        choices=request.n,
        endless=request.ignore_eos,
        form=request.response_format,
        tools=_tools(request),
    )


def _tools(request: ChatRequest) -> ToolsAsk | None:
    tools = request.callable_tools
    must = request.tool_choice.mode == "required"
    once = not request.parallel_tool_calls
    return ToolsAsk(tools, must, once or request.tool_choice.name is not None) if tools else None


def completion_asks(request: CompletionRequest) -> list[GenerationRequest]:
    """One engine request per prompt."""
    top = request.logprobs
    ask = GenerationRequest(
        "",
        request.limit,
        request.stop,
        _sampling(request),
        scoring=None if top is None else Scoring(top, prompt=request.echo),
        choices=request.n,
        endless=request.ignore_eos,
        echo=request.echo,
    )
    return [replace(ask, prompt=prompt) for prompt in request.prompt]


def _sampling(request: Parameters) -> Sampling:
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=max(request.top_k, 0),
        min_p=request.min_p,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        repetition_penalty=request.repetition_penalty,
        logit_bias=tuple(request.logit_bias.items()),
    )
