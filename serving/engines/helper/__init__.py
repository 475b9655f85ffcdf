"""Processes that do what a stranger's file says, within limits of time and memory."""
