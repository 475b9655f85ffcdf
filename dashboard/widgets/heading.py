"""The heading of every page: title, user and logout button."""

import streamlit as st

from modelyard.dashboard import session
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.units import plain


def show(title: str, login: DashboardSession) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(title, anchor=False)
        st.markdown(f"**{plain(login.me.name)}** {badge(login.me.role, 'role')}", width="content")
        if st.button("Log out"):
            session.end()
