"""Page regions that refresh themselves; an unreachable gateway is shown as a warning."""

from collections.abc import Callable

import streamlit as st

from modelyard.dashboard import session
from modelyard.dashboard.client import GatewayClient, GatewayUnreachable
from modelyard.dashboard.login import ENDED
from modelyard.dashboard.widgets.units import prose
from modelyard.registry.errors import ModelyardError, NotAuthenticated


def live(gateway: GatewayClient, refresh_s: float, draw: Callable[[GatewayClient], None]) -> None:
    """Draw now and every `refresh_s` seconds while the page is open."""

    def once() -> None:
        try:
            draw(gateway)
        except ModelyardError as error:
            complain(error, again_s=refresh_s)

    st.fragment(once, run_every=refresh_s)()


def complain(error: ModelyardError, again_s: float | None = None) -> None:
    """Show an error: what happened, what to do, and whether it is retried.

    Where the gateway no longer knows the user, the session ends.
    """
    if isinstance(error, NotAuthenticated):
        session.end(ENDED)
    again = f"Trying again every {again_s:g} s." if again_s else ""
    text = " ".join(part for part in (error.message, error.fix, again) if part)
    show = st.warning if isinstance(error, GatewayUnreachable) else st.error
    show(prose(text))
