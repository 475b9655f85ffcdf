"""The common ways in which models write calls, told by their chat templates."""

import secrets
import string
from dataclasses import dataclass

PYTHON = "<|python_tag|>"
"""Opens Llama's calls now and then, and says no more than that."""
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class CallForm:
    """Calls as JSON objects of a name and, under `key`, arguments.

    They follow `opening`; where there is none the whole answer is a call. `closing` ends each.
    `named` writes the name, that mark and the arguments instead of an object.
    """

    opening: str
    closing: str
    key: str
    listed: bool = False
    named: str = ""
    short_ids: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """What has to be seen in the text even where it is a control token."""
        marks = (self.opening or PYTHON, self.closing, self.named)
        return tuple(mark for mark in marks if mark)

    def new_id(self) -> str:
        """An id for a call; some templates take nine letters and nothing else."""
        if self.short_ids:
            return "".join(secrets.choice(_LETTERS) for _ in range(9))
        return f"call_{secrets.token_hex(12)}"


HERMES = CallForm("<tool_call>", "</tool_call>", "arguments")
MISTRAL = CallForm("[TOOL_CALLS]", "", "arguments", listed=True, short_ids=True)
MISTRAL_NAMED = CallForm("[TOOL_CALLS]", "", "arguments", named="[ARGS]", short_ids=True)
LLAMA = CallForm("", "", "parameters")
_LLAMA_SIGNS = (PYTHON, '{"name": function name, "parameters"')


def form_of(template: str) -> CallForm | None:
    """The form a template teaches; None where it teaches none that is known here."""
    if "[TOOL_CALLS]" in template:
        return MISTRAL_NAMED if "[ARGS]" in template else MISTRAL
    if "<tool_call>" in template and "<function=" not in template and "<arg_key>" not in template:
        return HERMES
    return LLAMA if any(sign in template for sign in _LLAMA_SIGNS) else None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How the calls of one answer are read: `names` are the tools there are."""

    form: CallForm
    names: frozenset[str]
    once: bool = False


@dataclass(frozen=True, slots=True)
class CallPart:
    """The next piece of a call; `id` and `name` stand on its first."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
