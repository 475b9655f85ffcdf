"""Tool calls of earlier answers, as a client sends them back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

from modelyard.serving.errors import InvalidRequest

MAX_CALLS = 128


@dataclass(frozen=True, slots=True)
class Call:
    """A function call with its arguments parsed."""

    id: str
    name: str
    arguments: Mapping[str, Any]


def read_calls(value: object, where: str) -> tuple[Call, ...]:
    """Read the calls; raises InvalidRequest whose `param` names the exact place."""
    listed = cast("list[object]", value) if isinstance(value, list) else None
    if listed is None or len(listed) > MAX_CALLS:
        raise InvalidRequest(f"'{where}' must be a list of at most {MAX_CALLS}.", param=where)
    return tuple(_call(item, f"{where}[{i}]") for i, item in enumerate(listed))


def _call(value: object, where: str) -> Call:
    call = _mapping(value)
    function = _mapping(call.get("function"))
    known = call.get("id")
    name = function.get("name")
    if call.get("type", "function") != "function" or not isinstance(known, str):
        raise InvalidRequest(f"'{where}' must have an id and type 'function'.", param=where)
    if not isinstance(name, str):
        raise InvalidRequest(
            f"'{where}.function.name' must be a string.", param=f"{where}.function.name"
        )
    return Call(known, name, _arguments(function.get("arguments"), f"{where}.function.arguments"))


def _arguments(value: object, where: str) -> Mapping[str, Any]:
    """Parse the arguments: chat templates take the object and write the JSON themselves."""
    try:
        found: object = from_json(value or "{}") if isinstance(value, str) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest(f"'{where}' must be a JSON object, as a string.", param=where)
    return cast("dict[str, Any]", found)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
