"""The messages of a chat, with their content as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from modelyard.serving.errors import InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.chat.calls import Call, read_calls

MAX_MESSAGES = 2048
ROLES = ("system", "developer", "user", "assistant", "tool")
_FIELDS = frozenset({"role", "content", "name"})
_ALSO = {"assistant": "tool_calls", "tool": "tool_call_id"}


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message, its text parts joined; a tool's message `answers` the call with this id."""

    role: str
    content: str
    name: str | None = None
    calls: tuple[Call, ...] = ()
    answers: str | None = None


def read_messages(value: object) -> tuple[ChatMessage, ...]:
    """Read the messages; raises InvalidRequest whose `param` names the exact place."""
    messages = _list(value, "messages", "a list of messages")
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidRequest(
            f"'messages' has {len(messages)} entries: it must have 1 to {MAX_MESSAGES}.",
            param="messages",
        )
    return tuple(_message(m, f"messages[{i}]") for i, m in enumerate(messages))


def _message(value: object, where: str) -> ChatMessage:
    message = _object(value, where, "an object with role and content")
    role = message.get("role")
    if role == "function":
        raise UnsupportedParameter(
            f"'{where}.role' 'function' is not supported: use 'tool'.", param=f"{where}.role"
        )
    if role not in ROLES:
        allowed = ", ".join(ROLES)
        raise InvalidRequest(
            f"'{where}.role' is {str(role)[:80]!r}: it must be one of {allowed}.",
            param=f"{where}.role",
        )
    _refuse_extras(message, role, where)
    name = message.get("name")
    if name is not None and not isinstance(name, str):
        raise InvalidRequest(f"'{where}.name' must be a string.", param=f"{where}.name")
    calls = read_calls(message.get("tool_calls") or [], f"{where}.tool_calls")
    content = message.get("content")
    text = "" if calls and content is None else _content(content, f"{where}.content")
    return ChatMessage(role, text, name, calls, _answered(message, role, where))


def _answered(message: Mapping[str, Any], role: str, where: str) -> str | None:
    answers = message.get("tool_call_id")
    if role == "tool" and not isinstance(answers, str):
        param = f"{where}.tool_call_id"
        raise InvalidRequest(f"'{param}' must be the id of a call.", param=param)
    return answers


def _refuse_extras(message: Mapping[str, Any], role: str, where: str) -> None:
    for name, value in message.items():
        # Clients send back whole answers, with empty tool_calls, refusal and annotations.
        known = name in _FIELDS or name == _ALSO.get(role)
        if not known and value not in (None, [], ""):
            param = f"{where}.{name[:100]}"
            raise UnsupportedParameter(f"'{param}' is not supported yet.", param=param)


def _content(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    parts = _list(value, where, "a string or a list of text parts")
    return "".join(_part(p, f"{where}[{i}]") for i, p in enumerate(parts))


def _part(value: object, where: str) -> str:
    part = _object(value, where, "an object with type and text")
    kind = part.get("type")
    text = part.get("text")
    if kind != "text":
        raise UnsupportedParameter(
            f"'{where}.type' {str(kind)[:80]!r} is not supported: only text can be read.",
            param=f"{where}.type",
        )
    if not isinstance(text, str):
        raise InvalidRequest(f"'{where}.text' must be a string.", param=f"{where}.text")
    return text


def _list(value: object, where: str, what: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidRequest(f"'{where}' must be {what}.", param=where)
    return cast("list[object]", value)


def _object(value: object, where: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{where}' must be {what}.", param=where)
    return cast("dict[str, Any]", value)
