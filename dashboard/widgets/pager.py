"""Pages of a list that the gateway gives by cursors: the newest, and on to what is older."""

from dataclasses import dataclass
from typing import cast

import streamlit as st


@dataclass(frozen=True, slots=True)
class Pager:
    """Where somebody is in one list; another choice of filters, which is `key`, begins anew."""

    name: str
    key: str

    def asked(self, parameter: str = "cursor") -> dict[str, str]:
        """What to ask the gateway for: the place by the name that its API has for it."""
        cursor = self._cursor()
        return {parameter: cursor} if cursor else {}

    def buttons(self, following: str | None) -> None:
        """Buttons to the newest page and to the next; none on a list of one page."""
        if not (following or self._cursor()):
            return
        with st.container(horizontal=True):
            newest = st.button("Newest", key=f"{self.name}-newest", disabled=not self._cursor())
            older = st.button("Older", key=f"{self.name}-older", disabled=following is None)
        if newest or older:
            st.session_state[self._place] = (self.key, following if older else None)
            st.rerun(scope="fragment")

    @property
    def _place(self) -> str:
        return f"pager-{self.name}"

    def _cursor(self) -> str | None:
        place = cast("tuple[str, str | None] | None", st.session_state.get(self._place))
        return place[1] if place and place[0] == self.key else None
