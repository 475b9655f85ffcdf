"""Coloured words in the pages' Markdown: what state a device, an engine or a run is in."""

from modelyard.dashboard.widgets.units import plain

_COLOURS = {
    "available": "green",
    "busy": "blue",
    "error": "red",
    "ready": "green",
    "loading": "orange",
    "failed": "red",
    "running": "blue",
    "completed": "green",
    "interrupted": "orange",
    "alias": "blue",
}


def badge(text: str, state: str) -> str:
    """The text on the colour of a state; grey for states that ask for no attention."""
    return f":{_COLOURS.get(state, 'gray')}-badge[{plain(text)}]"
