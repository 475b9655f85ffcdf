"""Asks before something is done that cannot be undone with the same button."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import streamlit as st

from modelyard.dashboard.widgets.live import complain
from modelyard.dashboard.widgets.units import prose
from modelyard.registry.errors import ModelyardError

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.mutable_popover_container import PopoverContainer

_ASKED = "asked"
_DONE = "done"
_POPOVER = "popover-"
_STYLE = """<style>
body:has([data-testid="stDialog"]) [data-testid="stPopoverBody"] { display: none; }
</style>"""
"""A popover that is still open lies above the question, and would cover its buttons."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a button stands for: `about` says what it does, `act` does it and may say what came."""

    title: str
    about: str
    button: str
    act: Callable[[], str]


def ask(action: Action) -> None:
    """Have the page ask; the question stands outside the parts that refresh themselves."""
    st.session_state[_ASKED] = action
    st.rerun(scope="app")


def popover(label: str, within: "DeltaGenerator | None" = None) -> "PopoverContainer":
    """A popover from which `ask` is called: it closes, so that it does not cover the question."""
    return (within or st).popover(label, key=f"{_POPOVER}{label}", on_change="rerun")


@contextmanager
def questions() -> Generator[None]:
    """Around a page's popovers: the question that was raised, and what came of the last one.

    What comes and goes stands in a container or at the end, so that nothing else changes its place:
    the browser would show both places for a moment.
    """
    with st.container():
        st.html(_STYLE)
        if done := st.session_state.pop(_DONE, ""):
            st.success(prose(done))
    action = cast("Action | None", st.session_state.pop(_ASKED, None))
    if action is not None:
        for name in [name for name in st.session_state if str(name).startswith(_POPOVER)]:
            st.session_state[name] = False
    yield
    if action is not None:
        st.dialog(action.title)(_question)(action)


def _question(action: Action) -> None:
    st.markdown(prose(action.about))
    with st.container(horizontal=True):
        is_sure = st.button(action.button, type="primary", key="confirm")
        if st.button("Leave it as it is", key="leave"):
            st.rerun()
    if is_sure:
        try:
            st.session_state[_DONE] = action.act()
        except ModelyardError as error:
            complain(error)
        else:
            st.rerun()
