"""Chooses the engine that answers each request."""
