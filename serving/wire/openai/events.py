"""Server-sent events: the framing of a stream."""

import msgspec

from modelyard.serving.wire.openai.usage import TokenCounts, Usage

DONE = b"data: [DONE]\n\n"
END = b"\n\n"
_COUNTED = b": usage "
_encode = msgspec.json.Encoder().encode
_decode_counts = msgspec.json.Decoder(TokenCounts).decode


def event(value: msgspec.Struct) -> bytes:
    """One `data:` event."""
    return b"data: " + _encode(value) + b"\n\n"


def counted(usage: Usage) -> bytes:
    """A comment event that tells the gateway a stream's usage; it never reaches the client."""
    return _COUNTED + _encode(usage) + END


def take_counted(events: bytes) -> tuple[bytes, TokenCounts | None]:
    """Split complete events from the usage comment; JSON never contains a raw line break."""
    if _COUNTED not in events:
        return events, None
    at = 0 if events.startswith(_COUNTED) else events.rfind(b"\n" + _COUNTED) + 1
    if not at and not events.startswith(_COUNTED):
        return events, None
    end = events.index(END, at)
    try:
        counts = _decode_counts(events[at + len(_COUNTED) : end])
    except msgspec.MsgspecError:
        return events, None
    return events[:at] + events[end + len(END) :], counts
