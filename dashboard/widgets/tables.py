"""The tables of the pages: real text, Markdown in the cells, numbers to the right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from modelyard.dashboard.widgets.units import UNKNOWN


def show(rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, Callable[[float], str]]) -> None:
    """Rows with the same keys each, which are the headings; `numbers` tells how numbers read.

    The cells keep the numbers themselves: that is what makes Streamlit put them to the right.
    """
    frame = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    styled = frame.style.format(dict(numbers), na_rep=UNKNOWN)
    st.table(styled, border="horizontal", hide_index=True)
