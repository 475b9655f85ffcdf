"""Calling tools: how a model writes a call, how it is read, how it is made to."""
