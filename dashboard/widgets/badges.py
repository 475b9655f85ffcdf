"""Coloured Markdown badges for the state of a device, engine, run, request or callback."""

from modelyard.dashboard.widgets.units import plain

_COLOURS = {
    "available": "green",
    "busy": "blue",
    "error": "red",
    "ready": "green",
    "loading": "orange",
    "failed": "red",
    "running": "blue",
    "processing": "blue",
    "in_progress": "blue",
    "finalizing": "blue",
    "delivered": "green",
    "expired": "orange",
    "completed": "green",
    "interrupted": "orange",
    "alias": "blue",
}


def badge(text: str, state: str) -> str:
    """The text on the colour of its state; grey for any other state."""
    return f":{_COLOURS.get(state, 'gray')}-badge[{plain(text)}]"
