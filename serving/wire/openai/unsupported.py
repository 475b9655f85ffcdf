"""Parameters of OpenAI's API that are not supported yet: refused by name, never ignored."""

from collections.abc import Collection, Mapping
from typing import Any

from modelyard.serving.errors import UnsupportedParameter

# Fields whose value does not change the answer.
_NOTED = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})

# Fields that are accepted with values that ask for what happens anyway.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none",),
    "functions": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (),
}


def refuse_unsupported(given: Mapping[str, Any], *, known: Collection[str]) -> None:
    """Raise UnsupportedParameter for the first field that is neither known nor neutral."""
    for name, value in given.items():
        if name not in known and name not in _NOTED:
            _refuse_unless_neutral(name, value)


def _refuse_unless_neutral(name: str, value: object) -> None:
    neutral = _NEUTRAL.get(name)
    if neutral is None:
        raise UnsupportedParameter(f"'{name[:100]}' is not a parameter here.", param=name[:100])
    if any(type(value) is type(allowed) and value == allowed for allowed in neutral):
        return
    accepted = " or ".join(repr(allowed) for allowed in neutral)
    only = f" other than {accepted}" if neutral else ""
    raise UnsupportedParameter(f"'{name}'{only} is not supported yet.", param=name)
