"""What is asked: prompts that no server has seen, the same for each, and what is turned on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MODEL = "bench/random"
OUTPUT = 64
"""Tokens of an answer."""

_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place on a day.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "day": {"type": "string"}},
            "required": ["place"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class EngineCase:
    """Answers for `concurrency` clients: each prompt has `prefix` tokens all share and its own.

    Answers are `spread` tokens longer or shorter than usual, at random.
    """

    name: str
    concurrency: int
    waves: int = 2
    prefix: int = 0
    spread: int = 0
    chat: bool = False
    on: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def title(self) -> str:
        return f"{self.name}, {self.concurrency} at once"

    @property
    def path(self) -> str:
        return "/v1/chat/completions" if self.chat else "/v1/completions"

    @property
    def prompt_tokens(self) -> int:
        return self.prefix + 64

    def bodies(self, words: Sequence[str], seed: str) -> list[dict[str, Any]]:
        """One body a request; the same seed gives the same ones."""
        rng = random.Random(f"{self.name} {self.concurrency} {seed}")
        shared = rng.choices(words, k=self.prefix)
        count = self.waves * self.concurrency
        prompts = [shared + rng.choices(words, k=63) for _ in range(count)]
        limits = [OUTPUT + rng.randint(-self.spread, self.spread) for _ in prompts]
        return [self._body(*each) for each in zip(prompts, limits, strict=True)]

    def _body(self, words: Sequence[str], limit: int) -> dict[str, Any]:
        # Each word with its space is one token, and every model begins with one of its own.
        text = "".join(f" {word}" for word in words)
        asked = {"messages": [{"role": "user", "content": text}]} if self.chat else {"prompt": text}
        common = {"model": MODEL, "max_tokens": limit, "temperature": 0, "stream": True}
        return common | asked | {"stream_options": {"include_usage": True}} | self.on


INDEPENDENT = [EngineCase("independent", n, waves=max(2, 8 // n)) for n in (1, 4, 8, 16)]
UNEVEN = [EngineCase("uneven answers", 8, waves=3, spread=56)]
SHARED = [EngineCase("shared prefix", n, waves=1, prefix=512) for n in (8, 16)]
_JSON = {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA}}
PARAMETERS = [
    EngineCase("chat", 8, chat=True),
    EngineCase("chat, tools", 8, chat=True, on={"tools": [_TOOL]}),
    EngineCase("chat, JSON schema", 8, chat=True, on={"response_format": _JSON}),
    EngineCase("chat, logprobs", 8, chat=True, on={"logprobs": True, "top_logprobs": 5}),
]
