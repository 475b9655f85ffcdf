"""Tool calls in OpenAI's two formats: whole, and as deltas."""

from collections.abc import Iterable

from modelyard.serving.engines.tool_calls.forms import CallPart
from modelyard.serving.wire.openai.chat.chat import CallDelta, CalledFunction, CallReply


def call_deltas(parts: Iterable[CallPart]) -> list[CallDelta]:
    return [_delta(part) for part in parts]


def _delta(part: CallPart) -> CallDelta:
    function = CalledFunction(part.arguments, part.name)
    return CallDelta(part.index, function, part.id, "function" if part.id else None)


def whole_calls(parts: Iterable[CallPart]) -> list[CallReply]:
    """Whole calls assembled from their pieces, in order."""
    found: dict[int, list[CallPart]] = {}
    for part in parts:
        found.setdefault(part.index, []).append(part)
    return [_whole(pieces) for pieces in found.values()]


def _whole(pieces: list[CallPart]) -> CallReply:
    arguments = "".join(piece.arguments for piece in pieces)
    return CallReply(pieces[0].id or "", CalledFunction(arguments, pieces[0].name))
