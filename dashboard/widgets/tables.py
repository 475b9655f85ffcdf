"""Tables for the pages: real text, Markdown in cells, numbers aligned right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from modelyard.dashboard.widgets.units import UNKNOWN


def show(rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, Callable[[float], str]]) -> None:
    """Show rows that share the same keys, which become headings; `numbers` formats columns.

    Cells keep their numeric values, because Streamlit then aligns them right.
    """
    frame = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    styled = frame.style.format(dict(numbers), na_rep=UNKNOWN)
    st.table(styled, border="horizontal", hide_index=True)
