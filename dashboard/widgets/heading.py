"""The heading of every page: title, user and the way out."""

import streamlit as st

from modelyard.dashboard.login import LOGOUT
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.units import plain

_LOG_OUT = f"""<a href="{LOGOUT}" style="color: inherit; text-decoration: none; padding: 0.4rem
0.75rem; border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 0.5rem">Log out</a>"""
"""A link, which the browser follows by itself: a button's click can be lost to a redrawn page."""


def show(title: str, login: DashboardSession) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(title), anchor=False)
        st.markdown(f"**{plain(login.me.name)}** {badge(login.me.role, 'role')}", width="content")
        st.html(_LOG_OUT, width="content")
