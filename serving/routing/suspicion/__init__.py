"""Tracks requests suspected of crashing an engine and retries each alone on an engine."""
