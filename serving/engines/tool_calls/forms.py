"""The common formats of tool calls, detected from chat templates."""

import secrets
import string
from dataclasses import dataclass

PYTHON = "<|python_tag|>"
"""Sometimes precedes Llama's calls; it carries no further meaning."""
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class CallForm:
    """A format of calls: JSON objects with a name and, under `key`, arguments.

    Calls follow `opening`; if it is empty the whole answer is a call. `closing` ends each call.
    With `named`, a call is the name, that mark and the arguments instead of an object.
    """

    opening: str
    closing: str
    key: str
    listed: bool = False
    named: str = ""
    short_ids: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks that must appear in the text even if they are control tokens."""
        marks = (self.opening or PYTHON, self.closing, self.named)
        return tuple(mark for mark in marks if mark)

    def new_id(self) -> str:
        """A new call id; some templates only accept nine letters or digits."""
        if self.short_ids:
            return "".join(secrets.choice(_LETTERS) for _ in range(9))
        return f"call_{secrets.token_hex(12)}"


HERMES = CallForm("<tool_call>", "</tool_call>", "arguments")
MISTRAL = CallForm("[TOOL_CALLS]", "", "arguments", listed=True, short_ids=True)
MISTRAL_NAMED = CallForm("[TOOL_CALLS]", "", "arguments", named="[ARGS]", short_ids=True)
LLAMA = CallForm("", "", "parameters")
_LLAMA_SIGNS = (PYTHON, '{"name": function name, "parameters"')


def form_of(template: str) -> CallForm | None:
    """The format that a template uses; None if it uses no known one."""
    if "[TOOL_CALLS]" in template:
        return MISTRAL_NAMED if "[ARGS]" in template else MISTRAL
    if "<tool_call>" in template and "<function=" not in template and "<arg_key>" not in template:
        return HERMES
    return LLAMA if any(sign in template for sign in _LLAMA_SIGNS) else None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How to parse the calls of one answer; `names` are the available tools."""

    form: CallForm
    names: frozenset[str]
    once: bool = False


@dataclass(frozen=True, slots=True)
class CallPart:
    """The next piece of a call; only the first has `id` and `name`."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
