"""Links from one page to another."""

from collections.abc import Mapping
from typing import cast

import streamlit as st

_PAGES = "pages"


def know(pages: Mapping[str, st.Page]) -> None:
    """Remember the pages by their names, for the run of the script that draws one of them."""
    st.session_state[_PAGES] = pages


def link(label: str, to: str, **query: str) -> None:
    """A link to a page, with what it is to show there."""
    pages = cast("Mapping[str, st.Page]", st.session_state[_PAGES])
    st.page_link(pages[to], label=label, query_params=query or None)
