"""A jinja2 sandbox with limits for chat templates from untrusted models."""

import json
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SIZE = 8 * 1024 * 1024


class GenerationTag(Extension):
    """Renders the body of `{% generation %}…{% endgeneration %}`, a mark used in training."""

    tags = {"generation"}  # noqa: RUF012  jinja2's own form

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """The environment Hugging Face templates expect (trimmed blocks, loop controls, helpers)."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationTag]
        )
        self.filters["tojson"] = _tojson

    def compiled(self, source: str) -> Template:
        helpers = {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        return self.from_string(source, globals=helpers)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Limit operators: a short expression that repeats or pads text could fill the memory."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not (numbers and abs(left) <= MAX_SIZE and abs(right) <= 16):
            raise TemplateError("a power this large is not allowed")
        if operator == "%" and not numbers:
            raise TemplateError("'%' is for numbers only here")
        if operator in "+*" and not numbers and _grown(operator, left, right) > MAX_SIZE:
            raise TemplateError(f"it builds a text of more than {MAX_SIZE} characters")
        return super().call_binop(context, operator, left, right)


def _grown(operator: str, left: Any, right: Any) -> int:
    sizes = [x if isinstance(x, int) else len(x) for x in (left, right)]
    return sizes[0] + sizes[1] if operator == "+" else sizes[0] * sizes[1]


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
