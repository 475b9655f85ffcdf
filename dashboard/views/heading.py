"""The top of every page: what it is, who is looking, and the way out."""

import streamlit as st

from dashboard import session
from dashboard.badges import badge
from dashboard.session import Login
from dashboard.units import plain


def show(title: str, login: Login) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(title, anchor=False)
        st.markdown(f"**{plain(login.me.name)}** {badge(login.me.role, 'role')}", width="content")
        if st.button("Log out"):
            session.end()
            st.rerun()
