"""Puts a streamed completion together again, as the engine would have sent it whole."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from modelyard.serving.wire.errors import ErrorDetail
from modelyard.serving.wire.openai.events import END

STREAMED = frozenset({"/v1/chat/completions", "/v1/completions"})
"""The paths whose answers engines can stream."""

_DATA = b"data: "
_DONE = b"[DONE]"
_YES = msgspec.Raw(b"true")
_WITH_USAGE = msgspec.Raw(b'{"include_usage":true}')

JsonObject = dict[str, Any]


class _ErrorEvent(msgspec.Struct, frozen=True):
    """The last event of a stream that failed."""

    error: ErrorDetail | None = None


_read_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_chunk = msgspec.json.Decoder(JsonObject).decode
_read_error = msgspec.json.Decoder(_ErrorEvent).decode


def asked_as_stream(body: bytes) -> bytes:
    """The same request for a streamed answer with its usage; each other value stays as it was.

    Raises msgspec.DecodeError if the body is no JSON object.
    """
    asked = _read_body(body)
    return msgspec.json.encode(asked | {"stream": _YES, "stream_options": _WITH_USAGE})


@dataclass(slots=True)
class _Choice:
    """One of `n` answers as far as it has come."""

    text: list[str] = field(default_factory=list[str])
    calls: dict[int, JsonObject] = field(default_factory=dict[int, JsonObject])
    logprobs: JsonObject | None = None
    finish_reason: str = "stop"

    def add(self, piece: JsonObject) -> None:
        delta: JsonObject = piece.get("delta") or piece
        self.text.append(delta.get("content") or delta.get("text") or "")
        for call in delta.get("tool_calls") or ():
            self._call(call)
        for name, values in (piece.get("logprobs") or {}).items():
            if self.logprobs is None:
                self.logprobs = {}
            if isinstance(values, list):
                self.logprobs.setdefault(name, []).extend(values)
            else:
                self.logprobs[name] = values
        self.finish_reason = piece.get("finish_reason") or self.finish_reason

    def _call(self, piece: JsonObject) -> None:
        """Add to a tool call; what comes after its first piece are its arguments."""
        call = self.calls.setdefault(piece.get("index", 0), {"function": {"arguments": ""}})
        for name in ("id", "type"):
            if piece.get(name):
                call[name] = piece[name]
        function: JsonObject = piece.get("function") or {}
        if function.get("name"):
            call["function"]["name"] = function["name"]
        call["function"]["arguments"] += function.get("arguments") or ""

    def whole(self, index: int, *, is_chat: bool) -> JsonObject:
        text = "".join(self.text)
        ending = {"finish_reason": self.finish_reason, "index": index, "logprobs": self.logprobs}
        if not is_chat:
            return {"text": text, **ending}
        message: JsonObject = {"content": text, "role": "assistant", "refusal": None}
        if self.calls:
            message["content"] = text or None
            message["tool_calls"] = [self.calls[place] for place in sorted(self.calls)]
        return {"message": message, **ending}


@dataclass(slots=True)
class WholeAnswer:
    """A streamed answer as far as it has come; `error` is the engine's, if the stream failed.

    `size` is the bytes of its events, `pieces` how many had something of an answer in them.
    """

    size: int = 0
    pieces: int = 0
    error: ErrorDetail | None = None
    _head: JsonObject = field(default_factory=dict[str, Any])
    _choices: dict[int, _Choice] = field(default_factory=dict[int, _Choice])

    def add(self, events: bytes) -> None:
        """Add whole server-sent events."""
        self.size += len(events)
        for data in _payloads(events):
            self._add(data)

    def json(self) -> bytes:
        """The answer as one JSON object."""
        head = self._head
        is_chat = head.get("object") == "chat.completion.chunk"
        choices = [
            choice.whole(index, is_chat=is_chat) for index, choice in sorted(self._choices.items())
        ]
        kind = "chat.completion" if is_chat else "text_completion"
        return msgspec.json.encode(head | {"object": kind, "choices": choices})

    def _add(self, data: bytes) -> None:
        chunk = _read_chunk(data)
        if "error" in chunk:
            self.error = _read_error(data).error
            return
        choices: list[JsonObject] = chunk.pop("choices", [])
        self._head |= {name: value for name, value in chunk.items() if value is not None}
        for piece in choices:
            self._choices.setdefault(piece.get("index", 0), _Choice()).add(piece)
            self.pieces += 1


def _payloads(events: bytes) -> Iterator[bytes]:
    """The JSON of each event; comments and the end have none."""
    for event in events.split(END):
        if event.startswith(_DATA) and not event.endswith(_DONE):
            yield event[len(_DATA) :]
