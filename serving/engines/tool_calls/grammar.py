"""Grammars that force a model to call tools, or that keep its optional calls valid."""

from collections.abc import Iterable, Sequence

from modelyard.serving.engines.json_grammar import words
from modelyard.serving.engines.json_grammar.convert import Rules
from modelyard.serving.engines.tool_calls.forms import CallForm
from modelyard.serving.errors import UnsupportedParameter
from modelyard.serving.wire.openai.chat.response_format import JsonForm
from modelyard.serving.wire.openai.chat.tools import Tool

_NO_BYTES = "\\x00"


def calls_only(form: CallForm, tools: Sequence[Tool], *, once: bool) -> str:
    """GBNF for an answer that consists of calls only."""
    rules = Rules()
    return rules.written(_calls(rules, form, tools, once=once))


def text_or_calls(form: CallForm, tools: Sequence[Tool], *, once: bool) -> str:
    """GBNF for any text, then calls; once a call has begun it must be valid."""
    rules = Rules()
    calls = _calls(rules, form, tools, once=once, opened=bool(form.opening))
    if not form.opening:
        plain = rules.rule(f"[^{{{_NO_BYTES}] [^{_NO_BYTES}]*")
        return rules.written(f"({calls}) | {plain}")
    return rules.written(_until(rules, form.opening, calls))


def _until(rules: Rules, mark: str, then: str) -> str:
    """Text without the mark, or with it once, followed by `then`; it may end anywhere.

    Rule i has matched the mark's first i characters; a mark's first character occurs in it only
    once.
    """
    names = [rules.rule("") for _ in mark]
    after = rules.rule(then)
    for i, char in enumerate(mark):
        going = names[i + 1] if i + 1 < len(mark) else after
        again = f"| {words.text(mark[0])} {names[1]} " if i else ""
        others = "".join(dict.fromkeys(mark[0] + char))
        other = f"[^{_class(others)}] {names[0]}"
        rules.put(names[i], f"| {words.text(char)} {going} {again}| {other}")
    return names[0]


def _class(chars: str) -> str:
    return "".join(f"\\{c}" if c in "[]\\" else c for c in chars) + _NO_BYTES


def _calls(
    rules: Rules, form: CallForm, tools: Sequence[Tool], *, once: bool, opened: bool = False
) -> str:
    """One or more calls; `opened` if the preceding text already matched the first mark."""
    call = rules.rule(" | ".join(_each(rules, form, tools)))
    first = "" if opened or not form.opening else f"{words.text(form.opening)} "
    if form.listed:
        more = "" if once else f' (space "," space {call})*'
        return f'{first}space "[" space {call}{more} space "]"'
    closed = f"space {call}" + (f" space {words.text(form.closing)}" if form.closing else "")
    if once or not form.opening:
        return first + closed
    return f"{first}{closed} (space {words.text(form.opening)} {closed})*"


def _each(rules: Rules, form: CallForm, tools: Sequence[Tool]) -> Iterable[str]:
    for tool in tools:
        arguments = _arguments(rules, tool)
        if form.named:
            yield f"{words.text(tool.name + form.named)} {arguments}"
        else:
            name = words.constant(tool.name)
            key = words.constant(form.key)
            yield (
                f'"{{" space {words.constant("name")} space ":" space {name} space "," space'
                f' {key} space ":" space {arguments} space "}}"'
            )


def _arguments(rules: Rules, tool: Tool) -> str:
    """What the schema allows; if it is unsupported and the tool is not strict, any object."""
    form = tool.parameters
    try:
        return rules.of(_object(form))
    except UnsupportedParameter:
        if tool.strict:
            raise
        return "object"


def _object(form: JsonForm) -> JsonForm:
    """The schema as an object's: arguments are an object even if the schema does not say so."""
    said = "type" in form.schema or "$ref" in form.schema
    return form if said else JsonForm({**form.schema, "type": "object"}, form.where)
