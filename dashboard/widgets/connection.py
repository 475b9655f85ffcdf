"""Tells when the browser has lost the dashboard: what is on the screen is then of before."""

import streamlit as st

_STYLE = """<style>
[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"]) [data-testid="stMain"] {
  opacity: .35; pointer-events: none; filter: grayscale(1); transition: opacity .3s 1.5s;
}
[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])::before {
  content: "No connection: what you see is of before. Reload the page if this stays.";
  position: fixed; z-index: 1000000; top: 4rem; left: 50%; transform: translateX(-50%);
  padding: .5rem 1rem; border-radius: .5rem; background: #b3261e; color: #fff;
  font: 600 .9rem system-ui, sans-serif; animation: appear 0s 1.5s both;
}
@keyframes appear { from { visibility: hidden; } to { visibility: visible; } }
</style>"""


def fade_when_lost() -> None:
    """Grey out the page and say so, 1.5 s after its connection is lost, until it is back."""
    st.html(_STYLE)
