"""The tools that a chat may call, and those it must call."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from modelyard.serving.errors import InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.chat.response_format import JsonForm, read_schema

MAX_TOOLS = 128
MODES = ("none", "auto", "required")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FIELDS = frozenset({"name", "description", "parameters", "strict"})


@dataclass(frozen=True, slots=True)
class Tool:
    """A function; `definition` is passed to the model's chat template."""

    name: str
    definition: Mapping[str, Any]
    parameters: JsonForm
    strict: bool


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """OpenAI's `mode`; choosing a named tool is `required` with this `name`."""

    mode: str
    name: str | None = None


AUTO = ToolChoice("auto")


def read_tools(value: object) -> tuple[Tool, ...]:
    """Read the tools; raises InvalidRequest or UnsupportedParameter with the exact place."""
    listed = cast("list[object]", value) if isinstance(value, list) else [None] * (MAX_TOOLS + 1)
    if len(listed) > MAX_TOOLS:
        raise InvalidRequest(f"'tools' must be a list of at most {MAX_TOOLS}.", param="tools")
    tools = tuple(_tool(item, f"tools[{i}]") for i, item in enumerate(listed))
    if len({tool.name for tool in tools}) < len(tools):
        raise InvalidRequest("'tools' has two functions of one name.", param="tools")
    return tools


def _tool(value: object, where: str) -> Tool:
    tool = _mapping(value, where)
    if tool.get("type") != "function":
        kind = str(tool.get("type"))[:80]
        raise UnsupportedParameter(
            f"'{where}.type' {kind!r} is not supported: only 'function' is.", param=f"{where}.type"
        )
    place = f"{where}.function"
    function = _mapping(tool.get("function"), place)
    _refuse_others(function, place)
    name = function.get("name")
    about = function.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"'{place}.name' must have 1 to 64 letters, digits, '_', '.' or '-'.",
            param=f"{place}.name",
        )
    if about is not None and not isinstance(about, str):
        raise InvalidRequest(f"'{place}.description' must be a string.", param=place)
    strict = function.get("strict")
    if strict not in (None, True, False):
        raise InvalidRequest(f"'{place}.strict' must be true or false.", param=f"{place}.strict")
    given = function.get("parameters")
    empty = {"type": "object", "properties": {}}
    parameters = read_schema(empty if given is None else given, f"{place}.parameters")
    known = {"name": name, "description": about or "", "parameters": dict(parameters.schema)}
    return Tool(name, {"type": "function", "function": known}, parameters, bool(strict))


def _refuse_others(function: Mapping[str, Any], place: str) -> None:
    for name in function:
        if name not in _FIELDS:
            param = f"{place}.{name[:100]}"
            raise UnsupportedParameter(f"'{param}' is not a parameter here.", param=param)


def read_choice(value: object) -> ToolChoice:
    """Read the choice: one of the modes, or an object that names a function."""
    if isinstance(value, str) and value in MODES:
        return ToolChoice(value)
    named = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    function = named.get("function")
    name: Any = cast("dict[str, Any]", function).get("name") if isinstance(function, dict) else None
    if named.get("type") != "function" or not isinstance(name, str):
        raise InvalidRequest(
            f"'tool_choice' must be one of {', '.join(MODES)}, or an object that names a function.",
            param="tool_choice",
        )
    return ToolChoice("required", name)


def check_choice(tools: Sequence[Tool], choice: ToolChoice) -> None:
    """Raise InvalidRequest if a tool that must be called is missing."""
    if choice.mode == "required" and not tools:
        raise InvalidRequest("'tool_choice' needs 'tools'.", param="tool_choice")
    if choice.name is not None and choice.name not in {tool.name for tool in tools}:
        raise InvalidRequest(
            f"'tool_choice' names {choice.name[:80]!r}, which is not in 'tools'.",
            param="tool_choice",
        )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{where}' must be an object.", param=where)
    return cast("dict[str, Any]", value)
