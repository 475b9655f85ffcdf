"""Does what a person has asked for, and tells how it went."""

from collections.abc import Callable

import streamlit as st

from modelyard.dashboard.widgets.live import complain
from modelyard.dashboard.widgets.units import prose
from modelyard.registry.errors import ModelyardError


def attempt(act: Callable[[], object], done: str) -> bool:
    """Act, then show `done`, or why it was refused; returns whether it was done."""
    try:
        act()
    except ModelyardError as error:
        complain(error)
    else:
        st.success(prose(done))
        return True
    return False
