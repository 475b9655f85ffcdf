"""The format of an answer's text: any, a JSON object, or JSON that follows a schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from modelyard.serving.errors import InvalidRequest, UnsupportedParameter

MAX_SCHEMA = 64 * 1024
"""Most characters of a schema, written as JSON."""
FORMATS = ("text", "json_object", "json_schema")
_FIELDS = frozenset({"name", "schema", "strict", "description"})


@dataclass(frozen=True, slots=True)
class JsonForm:
    """Answers must be JSON that matches `schema`; `where` is its place in the request."""

    schema: Mapping[str, Any]
    where: str


ANY_OBJECT = JsonForm({"type": "object"}, "response_format")


def read_format(value: object) -> JsonForm | None:
    """Read the format; None for plain text. A schema is enforced even without `strict`."""
    asked = _mapping(value, "response_format")
    kind = asked.get("type")
    if kind not in FORMATS:
        raise InvalidRequest(
            f"'response_format.type' is {str(kind)[:80]!r}: it must be one of"
            f" {', '.join(FORMATS)}.",
            param="response_format.type",
        )
    _refuse_others(asked, {"type", kind}, "response_format")
    if kind == "json_schema":
        return _schema(asked.get("json_schema"), "response_format.json_schema")
    return ANY_OBJECT if kind == "json_object" else None


def _schema(value: object, where: str) -> JsonForm:
    asked = _mapping(value, where)
    _refuse_others(asked, _FIELDS, where)
    if not isinstance(asked.get("name"), str):
        raise InvalidRequest(f"'{where}.name' must be a string.", param=f"{where}.name")
    return read_schema(asked.get("schema"), f"{where}.schema")


def read_schema(value: object, where: str) -> JsonForm:
    """Read a schema of bounded size; its content is checked when it becomes a grammar."""
    schema = _mapping(value, where)
    size = len(json.dumps(schema))
    if size > MAX_SCHEMA:
        raise InvalidRequest(
            f"'{where}' has {size} characters: at most {MAX_SCHEMA} are allowed.", param=where
        )
    return JsonForm(schema, where)


def _refuse_others(given: Mapping[str, Any], known: set[str] | frozenset[str], where: str) -> None:
    for name in given:
        if name not in known:
            param = f"{where}.{name[:100]}"
            raise UnsupportedParameter(f"'{param}' is not a parameter here.", param=param)


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{where}' must be an object.", param=where)
    return cast("dict[str, Any]", value)
