"""Notices: what happened, kept for a while, in the order in which everybody is told of it."""
